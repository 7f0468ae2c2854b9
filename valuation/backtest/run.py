"""A backtest: policies over a history, each judged alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from valuation.arrays import FloatArray
from valuation.backtest.bets import Played, play
from valuation.backtest.betting_policy import BettingPolicy
from valuation.backtest.estimates import Gain, gain
from valuation.backtest.sample import Sample
from valuation.backtest.scores import (
    BetScores,
    Judged,
    Judges,
    Quality,
    joined,
    judge,
    judged_outcomes,
    judges,
    quality,
)
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
        seasons: the names of their seasons, or of the months of their events.
        matches: how many matches there were, or events.
        graded: how many of them have a result.
        bookmakers: those that quote.
        sharp: the bookmaker that judges alone.
    """

    rows: Sequence[Row]
    seasons: Sequence[str]
    matches: int
    graded: int
    bookmakers: Sequence[str]
    sharp: str


@dataclass(slots=True)
class _Tally:
    """The bets and fair prices of a policy in the samples so far."""

    judged: list[Judged] = field(default_factory=list)
    probability: list[FloatArray] = field(default_factory=list)
    came: list[FloatArray] = field(default_factory=list)

    def add(self, sample: Sample, played: Played, by: Judges, first_event: int) -> None:
        """Judge what was played on a sample."""
        self.judged.append(judge(played.bets, sample, by, first_event))
        outcome = judged_outcomes(sample, played.fair)
        self.probability.append(played.fair[outcome])
        self.came.append(sample.paid[outcome])

    def quality(self) -> Quality:
        """Return the judgement of all fair prices."""
        return quality(np.concatenate(self.probability), np.concatenate(self.came))


def backtest(
    samples: Iterable[Sample],
    policies: Sequence[tuple[str, Callable[[Sample], Played]]],
    *,
    sharp: str,
    seed: int,
) -> Backtest:
    """Play policies and judge what they did, one sample after the other.

    Of a sample nothing is kept but the bets and the fair prices that a result judges.

    Args:
        samples: in the order of time.
        policies: names, and what plays them; the first is the one that others are compared with.
        sharp: the bookmaker whose close judges alone.
        seed: of the intervals.
    """
    tallies = [_Tally() for _ in policies]
    events = graded = 0
    periods: dict[str, None] = {}
    bookmakers: set[str] = set()
    for sample in samples:
        by = judges(sample, JUDGING_METHOD, sharp)
        for tally, (_, plays) in zip(tallies, policies, strict=True):
            tally.add(sample, plays(sample), by, events)
        events += sample.events
        graded += sample.graded
        periods.update(dict.fromkeys(sample.periods))
        quoting = np.unique(sample.bookmaker).tolist()
        bookmakers.update(sample.bookmakers.keys[place] for place in quoting)
    rows = _rows([name for name, _ in policies], tallies, sharp, events, seed) if events else []
    return Backtest(rows, [*periods], events, graded, sorted(bookmakers), sharp)


def playing(policy: BettingPolicy) -> tuple[str, Callable[[Sample], Played]]:
    """Return a policy by its name and what plays it."""
    return policy.name, lambda sample: play(sample, policy)


def _rows(
    names: Sequence[str], tallies: Sequence[_Tally], sharp: str, events: int, seed: int
) -> list[Row]:
    rows: list[Row] = []
    base: Judged | None = None
    for name, tally in zip(names, tallies, strict=True):
        bets = joined(tally.judged)
        found = None
        if base is not None:
            sides = [(each.clv_others, each.event) for each in (bets, base)]
            found = gain(sides[0], sides[1], events, seed)
        rows.append(_row(name, bets, events, tally.quality(), found))
        if bets.is_sharp.any():
            rows.append(_row(f"… its bets at {sharp}", bets.those(bets.is_sharp), events))
        base = base or bets
    return rows


def _row(
    name: str, bets: Judged, events: int, fair: Quality | None = None, found: Gain | None = None
) -> Row:
    by_event = np.bincount(bets.event, weights=np.nan_to_num(bets.clv_others), minlength=events)
    return Row(name, fair, bets.scores(), found, by_event.cumsum())
