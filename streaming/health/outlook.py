"""The outlook of a snapshot: the weighted score, burn rates, and when resources will run out.

Nothing acts upon it: docs/adr/0073-health-weighs-consequences.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from betting.db.sql import fetch_all
from streaming.core.error_budget import WINDOWS, Misses, rates
from streaming.core.exhaustion import Point, exhausted_at, since_last_drop
from streaming.core.health import Check, HealthPolicy
from streaming.core.outlook import WINDOW_NAMES, Outlook
from streaming.core.weighted_health import weighted
from streaming.health.counters import Counters
from streaming.health.objective import Objective, batch, major
from streaming.health.observations import Away, Observations
from streaming.health.stream import Earlier
from streaming.models import NOT_REQUESTED, DeliveryOutcome, PollOutcome

DISK, MEMORY, QUEUE, CREDITS = "disk", "memory", "queue", "credits "
"""The resources; the last is followed by the provider's key."""

_SLOW = (timedelta(hours=6), timedelta(minutes=10))
_QUICK = (timedelta(minutes=30), timedelta(minutes=1))
"""How far back levels are looked at, and how often."""

_RENEWED_PART = 0.05
"""A level that falls by more than this part of its largest was renewed or made free."""


def assess(
    checks: Sequence[Check], observations: Observations, counted: Earlier, policy: HealthPolicy
) -> Outlook:
    """Return the outlook of a snapshot that is about to be stored.

    Args:
        checks: as judged.
        observations: those that they judged.
        counted: the totals up to now.
        policy: the objectives, and the limit of a queue.

    Raises:
        django.db.Error: the database does not answer.
    """
    score = weighted(checks)
    levels = _levels(observations)
    now = None if isinstance(observations.stream, Away) else observations.stream.now
    return Outlook(
        score=score.score,
        reason=score.reason,
        levels=levels,
        burn=_burn(counted, policy),
        exhausted={} if now is None else _exhausted(levels, now, policy),
    )


def _levels(observations: Observations) -> dict[str, float]:
    found: dict[str, float] = {}
    if observations.disk_used is not None:
        found[DISK] = observations.disk_used
    if not isinstance(observations.redis, Away):
        queues = observations.redis.queues.values()
        found[QUEUE] = float(max((queue.messages for queue in queues), default=0))
        if observations.redis.memory_used:
            found[MEMORY] = observations.redis.memory_used
    if not isinstance(observations.stream, Away):
        for each in observations.stream.providers:
            if each.quota_remaining is not None:
                # Less is worse, and it ends at 0.
                found[f"{CREDITS}{each.key}"] = -each.quota_remaining
    return {name: float(f"{level:.9g}") for name, level in found.items() if math.isfinite(level)}


def _burn(counted: Earlier, policy: HealthPolicy) -> dict[str, dict[str, float]]:
    until = counted.counted_until
    rows = fetch_all(
        _TOTALS, {"until": until, "seconds": [each.total_seconds() for each in WINDOWS]}
    )
    earlier = {at: Counters(totals) for at, totals in rows}
    sums = sorted({**earlier, until: counted.counters}.items(), key=lambda pair: pair[0])
    found: dict[str, dict[str, float]] = {}
    for name in ("major", "batch", "polls", "deliveries"):
        samples = [Misses(at, *_misses(name, counters, policy)) for at, counters in sums]
        by_window = rates(samples, policy.objective)
        found[name] = {WINDOW_NAMES[each]: round(rate, 3) for each, rate in by_window.items()}
    return found


def _misses(objective: str, counters: Counters, policy: HealthPolicy) -> tuple[float, float]:
    """Return how much there was in all that an objective does not allow, and how much of all."""
    if objective == "polls":
        polls = counters.by_label("polls")
        asked = sum(count for outcome, count in polls.items() if outcome not in NOT_REQUESTED)
        return polls.get(PollOutcome.FAILED.value, 0), asked
    if objective == "deliveries":
        failed = counters.of("deliveries", DeliveryOutcome.FAILED.value)
        return failed, failed + counters.of("deliveries", DeliveryOutcome.DELIVERED.value)
    latency: Objective = major(policy) if objective == "major" else batch(policy)
    judged = latency.judged(counters)
    return latency.late(judged), sum(judged)


def _exhausted(
    levels: Mapping[str, float], now: datetime, policy: HealthPolicy
) -> dict[str, datetime]:
    """Return resource → when it will have run out, of those of which that is clear."""
    limits = {DISK: 1.0, MEMORY: 1.0, QUEUE: policy.queue_messages[1]}
    quick = {name: level for name, level in levels.items() if name in {MEMORY, QUEUE}}
    slow = {name: level for name, level in levels.items() if name not in quick}
    found: dict[str, datetime] = {}
    for span, (back, step) in ((quick, _QUICK), (slow, _SLOW)):
        rows = fetch_all(_LEVELS, {"now": now, "back": back, "step": step}) if span else []
        for name, level in span.items():
            points = [*_points(rows, name), (0.0, level)]
            used = since_last_drop(points, _RENEWED_PART * max(abs(each) for _, each in points))
            seconds = exhausted_at(used, limits.get(name, 0.0))
            if seconds is not None:
                found[name] = now + timedelta(seconds=round(seconds))
    return found


def _points(rows: Sequence[tuple[Any, ...]], name: str) -> list[Point]:
    """Return a resource's levels; what another release has stored in another form is left out."""
    found = ((seconds, (levels or {}).get(name)) for seconds, levels in rows)
    return [(seconds, level) for seconds, level in found if isinstance(level, int | float)]


# Each window begins with the last snapshot before it, which its index finds.
_TOTALS = """
SELECT DISTINCT ON (s.counted_until) s.counted_until, s.totals
FROM unnest(%(seconds)s::float8[]) AS w (seconds)
CROSS JOIN LATERAL (
    SELECT counted_until, totals FROM streaming_healthsnapshot
    WHERE counted_until <= %(until)s::timestamptz - w.seconds * interval '1 second'
    ORDER BY counted_until DESC LIMIT 1
) AS s
ORDER BY s.counted_until
"""

_LEVELS = """
SELECT extract(epoch FROM s.taken_at - %(now)s::timestamptz)::float8, s.levels
FROM generate_series(
    %(now)s::timestamptz - %(back)s::interval, %(now)s::timestamptz - %(step)s::interval,
    %(step)s::interval
) AS t (at)
CROSS JOIN LATERAL (
    SELECT taken_at, outlook -> 'levels' AS levels FROM streaming_healthsnapshot
    WHERE taken_at <= t.at AND taken_at > t.at - %(step)s::interval
    ORDER BY taken_at DESC LIMIT 1
) AS s
ORDER BY s.taken_at
"""
