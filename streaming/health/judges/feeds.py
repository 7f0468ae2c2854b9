"""The feeds: each that fails is named, with how much that takes off the board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from streaming.core.durations import spoken
from streaming.core.health import ALWAYS_WELL, Check, HealthPolicy, Status, Thresholds, check
from streaming.health.feeds import FeedFacts
from streaming.health.judges.common import NAMED, Judge, counted, lenient, unknown
from streaming.health.observations import Away, Observations

_LIMITS: Thresholds = (1.0, 2.0)
_UNIT = "1: a feed fails, 2: its quotes are off the board"


def feeds(observations: Observations, policy: HealthPolicy) -> Check:
    """Judge if every feed that is polled answers.

    A failing feed without a quote on an open event, of a sport out of season say, is a warning.
    """
    if isinstance(observations.stream, Away):
        return unknown("feeds", _LIMITS, _UNIT, "PostgreSQL")
    failing = observations.stream.feeds
    if not failing:
        return check("feeds", 0.0, _LIMITS, _UNIT, "Every feed that is polled answers.")
    costly = [each for each in failing if each.quarantined]
    found = check("feeds", 2.0 if costly else 1.0, _LIMITS, _UNIT, _detail(failing))
    # It warns with the first feed that fails, and fails with the first that takes quotes off the
    # board.
    judged = costly if found.status is Status.FAIL else failing
    longest = max(_too_long(each) for each in judged)
    found = replace(found, since=observations.stream.now - timedelta(seconds=longest))
    return lenient(found, observations, policy, min(each.failing_seconds for each in judged))


def unread_records(observations: Observations, _policy: HealthPolicy) -> Check:
    """Judge if answers hold records that cannot be read: a warning, as the rest is ingested."""
    unit, limits = "feeds with records left out", (1.0, ALWAYS_WELL[1])
    if isinstance(observations.stream, Away):
        return unknown("unread_records", limits, unit, "PostgreSQL")
    unread = observations.stream.unread
    said = "; ".join(
        f"{each.provider} {each.feed}: {counted(each.count, 'record was', 'records were')} left out"
        f" ({each.reasons})"
        for each in unread[:NAMED]
    )
    detail = f"{said}." if said else "Every answer is read whole."
    return check("unread_records", len(unread), limits, unit, detail)


def _too_long(feed: FeedFacts) -> float:
    """Return the seconds for which the feed has failed, or has been silent beyond its limit."""
    return feed.failing_seconds - (0.0 if feed.reason else feed.limit_seconds)


def _detail(failing: Sequence[FeedFacts]) -> str:
    said = "; ".join(_words(each) for each in failing[:NAMED])
    more = len(failing) - NAMED
    return f"{said} and {more} more." if more > 0 else f"{said}."


def _words(feed: FeedFacts) -> str:
    lasting = spoken(feed.failing_seconds)
    trouble = f"has not answered for {lasting} (limit {spoken(feed.limit_seconds)})"
    if feed.reason:
        trouble = f"has failed for {lasting}: {feed.reason.rstrip('.')}"
    words = f"{feed.provider} {feed.feed} {trouble}"
    if not feed.quarantined:
        return words
    return f"{words}; {counted(feed.quarantined, 'quote is', 'quotes are')} quarantined"


CHECKS: tuple[Judge, ...] = (feeds, unread_records)
"""In the order in which they are shown."""
