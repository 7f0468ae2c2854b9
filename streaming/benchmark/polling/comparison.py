"""Schedules played under each policy, with as many polls, and the spread of what they came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from streaming.benchmark.polling.policies import Constants, Policy, adaptive, fixed, saving
from streaming.benchmark.polling.schedule import DAY_SECONDS, Schedule
from streaming.benchmark.polling.waits import SPANS, Waits, waits
from streaming.core.poll_rates import BANDS
from streaming.core.poll_saving import SavingPolicy

POLICIES: Mapping[str, Policy] = {
    "fixed": fixed,
    "adaptive": adaptive,
    "adaptive, not learning": partial(adaptive, constants=replace(Constants(), is_learning=False)),
    "saving": saving,
    "saving, unweighted": partial(saving, policy=replace(SavingPolicy(), weights=(1.0,) * BANDS)),
}
"""The first is the one that the others are compared with."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over several schedules.

    Attributes:
        low: the figure that a tenth of them does not exceed.
        middle: the median.
        high: the figure that nine tenths do not exceed.
        count: the number of schedules.
    """

    low: float
    middle: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Row:
    """The waits under one policy in one span.

    Attributes:
        polls_a_day: the polls allowed, a day.
        span: the time to the start.
        policy: its name.
        p50_seconds: the median wait of each schedule.
        p95_seconds: the wait that 95 of 100 changes of a schedule do not exceed.
        mean_of_fixed: the mean wait by that under the first policy.
        better: the number of schedules whose mean wait is below that under the first policy.
    """

    polls_a_day: int
    span: str
    policy: str
    p50_seconds: Spread
    p95_seconds: Spread
    mean_of_fixed: Spread
    better: int


def compare(schedules: Sequence[Schedule], polls_a_day: Sequence[int]) -> list[Row]:
    """Play all schedules under all policies.

    Args:
        schedules: at least one.
        polls_a_day: of each comparison.
    """
    rows = list[Row]()
    for each in polls_a_day:
        found = []
        for schedule in schedules:
            polls = max(round(each * schedule.seconds / DAY_SECONDS), 1)
            found.append(
                {
                    name: waits(schedule, policy(schedule, polls))
                    for name, policy in POLICIES.items()
                }
            )
        rows += [
            _row(each, span, policy, [by for by in found if span in by["fixed"]])
            for span in SPANS
            if any(span in by["fixed"] for by in found)
            for policy in POLICIES
        ]
    return rows


def _row(
    polls_a_day: int, span: str, policy: str, found: Sequence[Mapping[str, Mapping[str, Waits]]]
) -> Row:
    ours = [by[policy][span] for by in found]
    ratios = [
        _ratio(own.mean_seconds, by["fixed"][span].mean_seconds)
        for own, by in zip(ours, found, strict=True)
    ]
    return Row(
        polls_a_day,
        span,
        policy,
        _spread([own.p50_seconds for own in ours]),
        _spread([own.p95_seconds for own in ours]),
        _spread(ratios),
        sum(ratio < 1 for ratio in ratios),
    )


def _ratio(ours: float, theirs: float) -> float:
    """Return how many times as long as theirs ours is; two waits of nothing are as long.

    >>> _ratio(3.0, 4.0), _ratio(0.0, 0.0), _ratio(1.0, 0.0)
    (0.75, 1.0, inf)
    """
    if theirs > 0:
        return ours / theirs
    return float("inf") if ours > 0 else 1.0


def _spread(figures: Sequence[float]) -> Spread:
    low, middle, high = (float(each) for each in np.quantile(figures, (0.1, 0.5, 0.9)))
    return Spread(low, middle, high, len(figures))
