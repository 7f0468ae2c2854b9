"""Burn rates over several windows: how fast misses use up what an objective allows.

After the SRE workbook: an alarm needs a long window, so that a brief fault is none, and a short one
with it, so that it ends soon after the fault. At 14.4 over an hour 2 % of a month's budget are
used, at 6 over six hours 5 %, at 1 over three days 10 %.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from streaming.core.health import burn_rate, samples_needed


@dataclass(frozen=True, slots=True)
class Misses:
    """Sums that only grow, at one moment.

    Attributes:
        at: up to when they go.
        bad: what did not meet the objective.
        total: all that could have.
    """

    at: datetime
    bad: float
    total: float


@dataclass(frozen=True, slots=True)
class BurnLimit:
    """A burn rate that is an alarm if both windows reach it.

    Attributes:
        rate: the limit.
        long: the window that shows that it lasts.
        short: the window that shows that it goes on.
    """

    rate: float
    long: timedelta
    short: timedelta


LIMITS: Sequence[BurnLimit] = (
    BurnLimit(14.4, timedelta(hours=1), timedelta(minutes=5)),
    BurnLimit(6.0, timedelta(hours=6), timedelta(minutes=30)),
    BurnLimit(1.0, timedelta(days=3), timedelta(hours=6)),
)

WINDOWS: Sequence[timedelta] = tuple(
    sorted({window for limit in LIMITS for window in (limit.long, limit.short)})
)
"""All windows, the shortest first."""


def rate_over(samples: Sequence[Misses], window: timedelta, objective: float) -> float | None:
    """Return the burn rate of the window that ends with the newest sample.

    Args:
        samples: in order of time.
        window: its length; it begins with the last sample at or before its beginning.
        objective: the part that must be met.

    Returns:
        None if no sample is as old, or if there were misses among too few to be judged.
    """
    if not samples:
        return None
    newest = samples[-1]
    place = bisect_right(samples, newest.at - window, key=lambda each: each.at)
    if not place:
        return None
    begun = samples[place - 1]
    bad, total = newest.bad - begun.bad, newest.total - begun.total
    if bad > 0 and total < samples_needed(1 - objective):
        return None
    return burn_rate(bad, total, objective)


def rates(samples: Sequence[Misses], objective: float) -> dict[timedelta, float]:
    """Return window → burn rate, of the windows that can be judged."""
    found = {window: rate_over(samples, window, objective) for window in WINDOWS}
    return {window: rate for window, rate in found.items() if rate is not None}


def burning(
    found: Mapping[timedelta, float], limits: Sequence[BurnLimit] = LIMITS
) -> BurnLimit | None:
    """Return the first limit that both of its windows reach; None if there is no such.

    Where a short window has too few samples for its misses, as at night, the long one decides.

    >>> hour, minutes = timedelta(hours=1), timedelta(minutes=5)
    >>> [burning(each) == LIMITS[0] for each in ({hour: 20.0, minutes: 15.0}, {hour: 20.0})]
    [True, True]
    >>> burning({hour: 20.0, minutes: 0.0}), burning({minutes: 20.0})
    (None, None)
    """
    for limit in limits:
        long = found.get(limit.long, 0.0)
        if min(long, found.get(limit.short, long)) >= limit.rate:
            return limit
    return None
