"""Covers and middles once more, bet by bet in plain Python: the oracle of `valuation.covering`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from betting.models import Side
from valuation.arrays import FloatArray
from valuation.covering import MAX_MIDDLES
from valuation.edges import arbitrage, middles
from valuation.opportunities import Bet, Cover, Middle, Opportunities, Selection


def find_by_hand(
    selections: Iterable[Selection], bets: Iterable[Bet], *, home: str, away: str
) -> Opportunities:
    """Find the opportunities among some bets on one market.

    Args:
        selections: every outcome the market is known to have, on offer or not. A line is covered
            only when all of them are on offer. A bookmaker has a part in a cover only if it quotes
            all of them, on either side: it then settles as the others do.
        bets: the offers.
        home: the home side's name, whose handicap is won above a margin.
        away: the away side's.
    """
    lines = _lines(selections)
    bets = list(bets)
    best = _best(_settled_alike(bets, lines))
    backs = {selection: bet for (selection, side), bet in best.items() if side == Side.BACK}
    lays = {selection: bet for (selection, side), bet in best.items() if side == Side.LAY}
    covers = [
        *_line_covers(lines.values(), backs),
        *(_cover((backs[of], lay)) for of, lay in lays.items() if of in backs),
    ]
    covers.sort(key=lambda cover: cover.booksum)
    # On a line of three, the result that hits the point is an outcome: no stakes come back.
    two_way = [bet for bet in bets if bet.side == Side.BACK and len(lines[bet.selection.line]) <= 2]
    best_backs = _best(two_way).values()
    return Opportunities(tuple(covers), tuple(_middles(best_backs, home, away)))


def _lines(selections: Iterable[Selection]) -> dict[float | None, list[Selection]]:
    lines: dict[float | None, list[Selection]] = defaultdict(list)
    for selection in selections:
        lines[selection.line].append(selection)
    return lines


def _settled_alike(
    bets: Sequence[Bet], lines: Mapping[float | None, Sequence[Selection]]
) -> list[Bet]:
    """Return the bets of bookmakers that quote every outcome of the bet's line.

    The same outcome is another bet where a bookmaker lists two outcomes and others three: on a draw
    the one returns stakes, or has no such result, where the others lose.
    """
    quoted: dict[tuple[str, float | None], set[Selection]] = defaultdict(set)
    for bet in bets:
        quoted[bet.bookmaker, bet.selection.line].add(bet.selection)
    return [
        bet
        for bet in bets
        if len(quoted[bet.bookmaker, bet.selection.line]) == len(lines[bet.selection.line])
    ]


def _best(bets: Iterable[Bet]) -> dict[tuple[Selection, Side], Bet]:
    best: dict[tuple[Selection, Side], Bet] = {}
    for bet in bets:
        key = bet.selection, bet.side
        if key not in best or bet.odds > best[key].odds:
            best[key] = bet
    return best


def _line_covers(
    lines: Iterable[Sequence[Selection]], backs: Mapping[Selection, Bet]
) -> Iterable[Cover]:
    for outcomes in lines:
        if len(outcomes) > 1 and all(outcome in backs for outcome in outcomes):
            yield _cover([backs[outcome] for outcome in outcomes])


def _cover(bets: Sequence[Bet]) -> Cover:
    shares = arbitrage([[bet.odds for bet in bets]])
    profit = float(shares.profit[0])
    part = _part_returned(bets[0].selection.point) if len(bets) == 2 else 0.0
    return Cover(
        bets=tuple(bets),
        stakes=tuple(shares.stakes[0].tolist()),
        booksum=float(shares.booksum[0]),
        profit=profit,
        worst=min(profit, profit * (1 - part)),
    )


def _part_returned(point: float | None) -> float:
    """Return the part of both stakes that comes back at the result nearest to their point.

    >>> [_part_returned(point) for point in (None, 2.5, 2.0, 2.25, -0.75)]
    [0.0, 0.0, 1.0, 0.5, 0.5]
    """
    if point is None:
        return 0.0
    return {0.0: 1.0, 0.25: 0.5, 0.75: 0.5}.get(point % 1, 0.0)


_Wins = Callable[[float], float]
"""Functions from an outcome's point to the result above, or below, which it wins."""


def _middles(bets: Iterable[Bet], home: str, away: str) -> Iterable[Middle]:
    wins_above: dict[str, _Wins] = {"Over": _same, home: _opposite}
    wins_below: dict[str, _Wins] = {"Under": _same, away: _same}
    handicapped = [bet for bet in bets if bet.selection.point is not None]
    above = [bet for bet in handicapped if bet.selection.name in wins_above]
    below = [bet for bet in handicapped if bet.selection.name in wins_below]
    found = middles(
        _results(above, wins_above), _odds(above), _results(below, wins_below), _odds(below)
    )
    for index in range(min(found.gap.size, MAX_MIDDLES)):
        yield Middle(
            above=above[found.above[index]],
            below=below[found.below[index]],
            gap=float(found.gap[index]),
            worst=float(found.worst[index]),
            best=float(found.best[index]),
            break_even=float(found.break_even[index]),
        )


def _same(point: float) -> float:
    return point


def _opposite(point: float) -> float:
    """Return −point: a home side at −3.5 wins above a margin of 3.5, an away side at +3.5 below."""
    return -point


def _results(bets: Sequence[Bet], wins: Mapping[str, _Wins]) -> FloatArray:
    return np.array(
        [wins[bet.selection.name](bet.selection.point or 0.0) for bet in bets], dtype=np.float64
    )


def _odds(bets: Sequence[Bet]) -> FloatArray:
    return np.array([bet.odds for bet in bets], dtype=np.float64)
