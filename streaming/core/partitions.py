"""The partitions of a table by time: which to make, which to drop, and which to delete rows of.

A day, a week, a month or a year each, by how long rows are kept: a read that no time bounds looks
into every one, so that there are few, and a row is kept at most one of them longer than it has to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum

AHEAD_DAYS = 7
"""Partitions are there for so long, if nobody makes any more."""


class Width(IntEnum):
    """The longest that a partition is, in days."""

    DAY = 1
    WEEK = 7
    MONTH = 31
    YEAR = 366


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The times from one, if there is a first, to another, exclusive."""

    since: datetime | None
    until: datetime

    @property
    def days(self) -> float:
        """The length; infinite without a beginning."""
        if self.since is None:
            return float("inf")
        return (self.until - self.since) / timedelta(days=1)

    def overlaps(self, other: Span) -> bool:
        """Return True if some time lies in both.

        >>> one, two, three = (datetime(2026, 12, day, tzinfo=UTC) for day in (1, 2, 3))
        >>> Span(one, two).overlaps(Span(two, three)), Span(None, two).overlaps(Span(one, three))
        (False, True)
        """
        begins_before_its_end = self.since is None or self.since < other.until
        return begins_before_its_end and (other.since is None or other.since < self.until)


@dataclass(frozen=True, slots=True)
class Plan:
    """The work to be done on the partitions of a table.

    Attributes:
        make: spans that have none, in order.
        drop: spans of those that are past their retention as a whole.
        trim: spans of those that hold times for so long that rows past their retention are deleted
            one by one.
    """

    make: tuple[Span, ...]
    drop: tuple[Span, ...]
    trim: tuple[Span, ...]


def width(retention_days: int) -> Width:
    """Return the width for a retention: three years or less are at most some forty partitions.

    >>> [width(days).name for days in (1, 7, 15, 30, 180, 365, 3_650)]
    ['DAY', 'DAY', 'WEEK', 'WEEK', 'MONTH', 'MONTH', 'YEAR']
    """
    if retention_days <= 2 * Width.WEEK:
        return Width.DAY
    if retention_days <= 4 * Width.MONTH:
        return Width.WEEK
    return Width.MONTH if retention_days <= 3 * Width.YEAR else Width.YEAR


def plan(spans: Iterable[Span], retention_days: int, now: datetime) -> Plan:
    """Decide what is to be done.

    Args:
        spans: those that have a partition; no two overlap.
        retention_days: how long each row is kept at least.
        now: the database's time.
    """
    each = width(retention_days)
    there = sorted(spans, key=lambda span: span.until)
    kept_since = now - timedelta(days=retention_days)
    drop = tuple(span for span in there if span.until <= kept_since)
    left = [span for span in there if span.until > kept_since]
    make = tuple(
        gap
        for period in _periods(now, now + timedelta(days=AHEAD_DAYS), each)
        for gap in _gaps(period, left)
    )
    return Plan(make, drop, tuple(span for span in left if span.days > each))


def days_ahead(spans: Iterable[Span], now: datetime) -> float:
    """Return for how many days from now on each time has a partition; 0 if now has none."""
    covered_until = now
    for span in sorted(spans, key=lambda span: span.until):
        if (span.since is None or span.since <= covered_until) and span.until > covered_until:
            covered_until = span.until
    return (covered_until - now) / timedelta(days=1)


def beyond(span: Span, newest: datetime) -> Span | None:
    """Return what is left of a span from the midnight after a time on, or None if nothing is."""
    since = midnight(newest) + timedelta(days=1)
    if span.since is not None and since <= span.since:
        return span
    return Span(since, span.until) if since < span.until else None


def midnight(at: datetime) -> datetime:
    """Return the beginning of a day of UTC."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _periods(first: datetime, last: datetime, each: Width) -> Iterator[Span]:
    """Yield the days, weeks, months or years of UTC that two times and all between them are in."""
    since = _begin(first, each)
    while since <= last:
        # Some days into the next one, however long this one is.
        until = _begin(since + timedelta(days=each), each)
        yield Span(since, until)
        since = until


def _begin(at: datetime, each: Width) -> datetime:
    day = midnight(at)
    if each is Width.WEEK:
        return day - timedelta(days=day.weekday())
    if each is Width.MONTH:
        return day.replace(day=1)
    return day.replace(month=1, day=1) if each is Width.YEAR else day


def _gaps(period: Span, there: Sequence[Span]) -> Iterator[Span]:
    """Yield the parts of a period that no span covers."""
    since = period.since
    for span in there:
        if since is None or span.until <= since:
            continue
        if span.since is not None and span.since >= period.until:
            break
        if span.since is not None and span.since > since:
            yield Span(since, span.since)
        since = span.until
    if since is not None and since < period.until:
        yield Span(since, period.until)
