"""A backtest: policies over a history, each judged alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from valuation.arrays import FloatArray
from valuation.backtest.bets import Bets, Played, play
from valuation.backtest.betting_policy import BettingPolicy
from valuation.backtest.estimates import Gain, gain
from valuation.backtest.history import History
from valuation.backtest.scores import BetScores, Judges, Quality, judge, judges, quality
from valuation.policy import Method

JUDGING_METHOD: Method = "power"
"""How margin is taken from closing prices, so that no policy judges itself by its own method."""


@dataclass(frozen=True, slots=True)
class Row:
    """A policy, or some of its bets, with what they came to.

    Attributes:
        name: the policy, or which of its bets.
        quality: of its fair prices; None for a part of the bets.
        scores: of its bets.
        clv_gain: CLV by the other bookmakers, less that of the first policy; None for the first,
            for a part, and without bets.
        cumulated_clv: its sum after each match, in the order of time, (m,).
    """

    name: str
    quality: Quality | None
    scores: BetScores
    clv_gain: Gain | None
    cumulated_clv: FloatArray


@dataclass(frozen=True, slots=True)
class Backtest:
    """The result.

    Attributes:
        rows: the policies, each with a row for its bets at the one that judges, if it has any.
        seasons: their names.
        matches: how many there were.
        bookmakers: those that quote.
        sharp: the bookmaker that judges alone.
    """

    rows: Sequence[Row]
    seasons: Sequence[str]
    matches: int
    bookmakers: Sequence[str]
    sharp: str


def backtest(
    history: History,
    policies: Sequence[tuple[str, Callable[[], Played]]],
    *,
    sharp: str,
    seed: int,
    on_step: Callable[[], None],
) -> Backtest:
    """Play policies and judge what they did.

    Args:
        history: matches in the order of time.
        policies: names, and what plays them; the first is the one that others are compared with.
        sharp: the bookmaker whose close judges alone.
        seed: of the intervals.
        on_step: called after each policy.

    Raises:
        ValueError: the history has no such bookmaker.
    """
    by = judges(history, JUDGING_METHOD, sharp)
    rows: list[Row] = []
    base: Bets | None = None
    for name, plays in policies:
        played = plays()
        row = _row(name, played.bets, history, by)
        found = None
        if base is not None:
            sides = [(by.by_others(bets), bets.match) for bets in (played.bets, base)]
            found = gain(sides[0], sides[1], history.result.size, seed)
        fair = quality(played.fair, history.result)
        rows.append(Row(name, fair, row.scores, found, row.cumulated_clv))
        at_sharp = played.bets.those(played.bets.bookmaker == by.sharp)
        if at_sharp.match.size:
            rows.append(_row(f"… its bets at {sharp}", at_sharp, history, by))
        base = base or played.bets
        on_step()
    return Backtest(rows, history.seasons, history.result.size, history.bookmakers, sharp)


def playing(history: History, policy: BettingPolicy) -> tuple[str, Callable[[], Played]]:
    """Return a policy by its name and what plays it."""
    return policy.name, lambda: play(history, policy)


def _row(name: str, bets: Bets, history: History, by: Judges) -> Row:
    clv = np.nan_to_num(by.by_others(bets))
    by_match = np.bincount(bets.match, weights=clv, minlength=history.result.size)
    return Row(name, None, judge(bets, history, by), None, by_match.cumsum())
