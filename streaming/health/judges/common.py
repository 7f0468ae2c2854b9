"""Helpers of the judges: unknown servers, durations, and the leniency of a start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from streaming.core.durations import spoken
from streaming.core.health import Check, HealthPolicy, Status, Thresholds, check, crossed
from streaming.core.health_since import since_crossing
from streaming.health.observations import Away, Observations

Judge = Callable[[Observations, HealthPolicy], Check]

NAMED = 5
"""The most providers, queues or subscribers that a text names."""


def unknown(name: str, thresholds: Thresholds, unit: str, server: str) -> Check:
    """Return a check that cannot be judged, because the server that knows does not answer."""
    return check(name, None, thresholds, unit, f"Not known: {server} does not answer.")


def never(name: str, thresholds: Thresholds, unit: str, detail: str) -> Check:
    """Return a failing check of what has never happened, so that nothing was measured."""
    return Check(name, Status.FAIL, None, thresholds, unit, detail)


def timed(
    observations: Observations,
    name: str,
    seconds: float,
    limits: Thresholds,
    unit: str,
    detail: str,
) -> Check:
    """Return a check of a duration that grows until something happens, dated by its limits."""
    found = check(name, seconds, limits, unit, detail)
    return dated(found, observations, seconds, limits)


def dated(found: Check, observations: Observations, seconds: float, limits: Thresholds) -> Check:
    """Return the check with the time when a duration crossed its status's limit, where known."""
    now = observed_at(observations)
    if now is None:
        return found
    return replace(found, since=since_crossing(now, seconds, limits, found.status))


def observed_at(observations: Observations) -> datetime | None:
    """Return the database's time of the observation; None while it does not answer."""
    return None if isinstance(observations.stream, Away) else observations.stream.now


def limit(observed: float, limits: Thresholds) -> str:
    """Return the limit of a duration, in words."""
    return f"(limit {spoken(crossed(observed, limits))})"


def lenient(
    found: Check, observations: Observations, policy: HealthPolicy, evidence_seconds: float | None
) -> Check:
    """Return the check, with a warning instead of a failure while the system is starting.

    Only what the start explains is excused: what has not happened yet, and what is older than the
    start and was left behind by the run before.

    Args:
        found: the check.
        observations: what was seen, and how long this process runs.
        policy: how long a start may take.
        evidence_seconds: the age of what the check judges; None where there is nothing yet.
    """
    is_starting = observations.running_seconds < policy.starting_seconds
    is_explained = evidence_seconds is None or evidence_seconds > observations.running_seconds
    if found.status is not Status.FAIL or not (is_starting and is_explained):
        return found
    excuse = (
        f"The system started {spoken(observations.running_seconds)} ago; this fails after"
        f" {spoken(policy.starting_seconds)}."
    )
    return replace(
        found,
        status=Status.WARN,
        detail=f"{found.detail} {excuse}",
        since=None,
        is_starting=True,
    )


def counted(number: float, singular: str, plural: str = "") -> str:
    """Format a number with its noun.

    >>> counted(1, "market"), counted(5946, "quote"), counted(2, "has", "have")
    ('1 market', '5,946 quotes', '2 have')
    """
    return f"{number:,.0f} {singular if number == 1 else plural or f'{singular}s'}"


def listed(names: Sequence[str]) -> str:
    """Join the first names, and say how many more there are.

    >>> listed(["a", "b"]), listed(list("abcdefg"))
    ('a, b', 'a, b, c, d, e and 2 more')
    """
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
