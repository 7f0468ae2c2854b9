"""Grading: what an event's result makes of an outcome, and of a bet on it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from valuation.edges import returned

DRAW = "draw"


class Grade(StrEnum):
    """The settlement of an outcome."""

    WON = "won"
    HALF_WON = "half-won"
    PUSH = "push"
    HALF_LOST = "half-lost"
    LOST = "lost"
    VOID = "void"
    PART = "part-won"


_OF_PAID = {
    (0.0, 1.0): Grade.WON,
    (0.5, 0.5): Grade.HALF_WON,
    (1.0, 0.0): Grade.PUSH,
    (0.5, 0.0): Grade.HALF_LOST,
    (0.0, 0.0): Grade.LOST,
}
"""The parts of the stake that come back and that are paid at the odds → the grade."""

_PAID = {grade: paid for paid, grade in _OF_PAID.items()} | {Grade.VOID: (1.0, 0.0)}

_AGAINST = {
    Grade.WON: Grade.LOST,
    Grade.HALF_WON: Grade.HALF_LOST,
    Grade.HALF_LOST: Grade.HALF_WON,
    Grade.LOST: Grade.WON,
}


@dataclass(frozen=True, slots=True)
class Score:
    """A result; the participants are named as the event names them.

    Attributes:
        home: the home side's name.
        away: the away side's name.
        home_score: its score; None if the event was cancelled or abandoned.
        away_score: its score; None if the event was cancelled or abandoned.
    """

    home: str
    away: str
    home_score: int | None
    away_score: int | None


@dataclass(frozen=True, slots=True)
class Bet:
    """An outcome as it is bet on.

    Attributes:
        kind: of the market, e.g. `alternate_totals`.
        period: of the market; only the whole event is graded.
        participant: whom the market is about; empty for the event.
        name: of the outcome.
        point: its own point, as the feed has it: −3.5 for one side, +3.5 for the other.
        has_draw: whether a draw is an outcome of the market too; a two-way price is returned then.
    """

    kind: str
    period: str
    participant: str
    name: str
    point: float | None
    has_draw: bool


def grade(bet: Bet, score: Score) -> Grade | None:
    """Return what became of an outcome; None where the score does not say it.

    >>> score = Score("Gulls", "Otters", 2, 1)
    >>> grade(Bet("totals", "full", "", "Over", 2.75, has_draw=False), score)
    <Grade.HALF_WON: 'half-won'>
    >>> grade(Bet("spreads", "full", "", "Otters", 1.0, has_draw=False), score)
    <Grade.PUSH: 'push'>
    """
    if bet.period != "full":
        return None
    if score.home_score is None or score.away_score is None:
        return Grade.VOID
    kind = bet.kind.removeprefix("alternate_")
    margins = {
        score.home: score.home_score - score.away_score,
        score.away: score.away_score - score.home_score,
    }
    if kind in {"h2h", "h2h_3_way", "draw_no_bet"}:
        return _winner(bet, margins)
    if kind == "spreads" and bet.point is not None and bet.name in margins:
        return _beyond(margins[bet.name], -bet.point, is_above=True)
    if kind in {"totals", "team_totals"} and bet.point is not None:
        scores = {score.home: score.home_score, score.away: score.away_score}
        scored = scores.get(bet.participant) if bet.participant else sum(scores.values())
        if scored is not None and bet.name in {"Over", "Under"}:
            return _beyond(scored, bet.point, is_above=bet.name == "Over")
    return None


def paid_parts(of: Grade) -> tuple[float, float]:
    """Return the parts of the stake on an outcome that come back and that are paid at the odds.

    >>> paid_parts(Grade.HALF_LOST), paid_parts(Grade.VOID)
    ((0.5, 0.0), (1.0, 0.0))
    """
    return _PAID[of]


def profit(of: Grade, odds: float, *, is_lay: bool = False) -> float:
    """Return the profit of a bet per unit staked; of a lay bet per unit of liability.

    Args:
        of: the outcome's grade.
        odds: net decimal odds; of a lay bet those at which it backs the complement.
        is_lay: whether the bet is against the outcome.

    >>> profit(Grade.HALF_WON, 1.9), profit(Grade.HALF_LOST, 1.9), profit(Grade.PUSH, 1.9)
    (0.44999999999999996, -0.5, 0.0)
    >>> profit(Grade.HALF_LOST, 1.9, is_lay=True)
    0.44999999999999996
    """
    back, at_odds = _PAID[_AGAINST.get(of, of) if is_lay else of]
    return back + at_odds * odds - 1


def settled_grade(value: float | None) -> Grade:
    """Return the grade of an outcome by what a contract on it paid of a dollar; None is void.

    >>> [settled_grade(value).value for value in (1.0, 0.0, 0.37, None)]
    ['won', 'lost', 'part-won', 'void']
    """
    if value is None:
        return Grade.VOID
    return {0.0: Grade.LOST, 1.0: Grade.WON}.get(value, Grade.PART)


def settled_profit(value: float | None, odds: float, *, is_lay: bool = False) -> float:
    """Return the profit of a contract per unit staked, as `profit` does by its grade.

    Args:
        value: what it paid of a dollar; None if it is void.
        odds: net decimal odds; of a lay bet those at which it backs the complement.
        is_lay: the bet is against the outcome.

    >>> settled_profit(1.0, 2.5), settled_profit(0.5, 2.5), settled_profit(0.25, 4.0, is_lay=True)
    (1.5, 0.25, 2.0)
    """
    if value is None:
        return 0.0
    return (1 - value if is_lay else value) * odds - 1


def _winner(bet: Bet, margins: dict[str, int]) -> Grade | None:
    if bet.name.casefold() == DRAW:
        return Grade.LOST if any(margins.values()) else Grade.WON
    margin = margins.get(bet.name)
    if margin is None:
        return None
    if margin == 0:
        return Grade.LOST if bet.has_draw else Grade.PUSH
    return Grade.WON if margin > 0 else Grade.LOST


def _beyond(result: int, point: float, *, is_above: bool) -> Grade:
    """Grade a bet on more, or on less, than a point, as `returned` settles it."""
    at = np.array(float(result)), np.array(point)
    back, with_odds = (
        float(returned(*at, np.array(odds), is_above=is_above)) for odds in (0.0, 1.0)
    )
    return _OF_PAID[back, with_odds - back]
