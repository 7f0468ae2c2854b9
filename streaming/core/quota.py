"""Pacing of polls, so that the rest of an allowance lasts until it is renewed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Allowance:
    """A provider's allowance, as it states it, and the cost of a poll.

    Attributes:
        remaining: credits left; None where the provider does not say.
        poll_cost: credits that one whole poll costs; None before that is known.
        resets_at: when it is renewed; None where the provider does not say.
    """

    remaining: float | None = None
    poll_cost: float | None = None
    resets_at: datetime | None = None


def affordable_interval(
    interval_seconds: float, slowest_seconds: float, allowance: Allowance, now: datetime
) -> float:
    """Return the shortest interval, not below the usual one, at which the allowance lasts.

    Args:
        interval_seconds: the usual interval.
        slowest_seconds: the longest interval, however little is left; a usual interval that is
            longer is kept.
        allowance: what is left, and of what.
        now: the time.

    >>> noon = datetime(2026, 11, 30, 12, tzinfo=UTC)
    >>> december = datetime(2026, 12, 1, tzinfo=UTC)
    >>> affordable_interval(30, 900, Allowance(6_000, 4, december), noon)
    30
    >>> affordable_interval(30, 900, Allowance(600, 4, december), noon)
    288.0
    >>> affordable_interval(30, 900, Allowance(0, 4, december), noon)
    900
    """
    remaining, cost, resets_at = allowance.remaining, allowance.poll_cost, allowance.resets_at
    if remaining is None or not cost or resets_at is None or resets_at <= now:
        return interval_seconds
    slowest = max(slowest_seconds, interval_seconds)
    if remaining < cost:
        return slowest
    needed = (resets_at - now).total_seconds() * cost / remaining
    return min(max(interval_seconds, needed), slowest)


def is_affordable(cost: float, allowance: Allowance, now: datetime) -> bool:
    """Return True if a request beside the polls leaves the credits of a whole poll.

    Args:
        cost: credits that the request costs.
        allowance: what is left, and what a poll costs.
        now: the time.

    >>> noon = datetime(2026, 11, 30, 12, tzinfo=UTC)
    >>> december = datetime(2026, 12, 1, tzinfo=UTC)
    >>> [is_affordable(2, Allowance(left, 4, december), noon) for left in (6, 5)]
    [True, False]
    >>> is_affordable(2, Allowance(5, 4, noon), noon)
    True
    """
    remaining, resets_at = allowance.remaining, allowance.resets_at
    if remaining is None or (resets_at is not None and resets_at <= now):
        return True
    return remaining - cost >= (allowance.poll_cost or 0)


def next_month(moment: datetime) -> datetime:
    """Return the first instant of the next month, in UTC.

    >>> next_month(datetime(2026, 12, 24, 6, tzinfo=UTC)).isoformat()
    '2027-01-01T00:00:00+00:00'
    """
    day = moment.astimezone(UTC)
    year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
    return datetime(year, month, 1, tzinfo=UTC)
