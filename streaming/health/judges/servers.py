"""The servers: PostgreSQL, its replica, Redis, their memory and their disk."""

from __future__ import annotations

import math

from betting.db.replica import CLOCK_SECONDS, LAG_SECONDS, Look
from streaming.core.durations import spoken
from streaming.core.health import (
    MUST_NOT_BE,
    Check,
    HealthPolicy,
    Status,
    Thresholds,
    check,
    crossed,
)
from streaming.core.percentages import percent
from streaming.health.judges.common import Judge, limit, timed, unknown
from streaming.health.observations import Away, Observations

REPLICA_SECONDS: Thresholds = (LAG_SECONDS, math.inf)
"""It never fails: what people see is right, for the primary shows it."""


def database(observations: Observations, policy: HealthPolicy) -> Check:
    """Judge if PostgreSQL answers in time."""
    consequence = "Nothing is polled or valued, and checks that read it are not known."
    return _answers("database", "PostgreSQL", observations.stream, policy, consequence)


def redis(observations: Observations, policy: HealthPolicy) -> Check:
    """Judge if Redis answers in time."""
    consequence = "No task is sent or taken; the sweeper makes up for it when Redis is back."
    return _answers("redis", "Redis", observations.redis, policy, consequence)


def broker(observations: Observations, policy: HealthPolicy) -> Check:
    """Judge if the broker has room: a full one refuses messages."""
    unit = "share of its memory"
    if isinstance(observations.redis, Away):
        return unknown("broker", policy.memory_used, unit, "Redis")
    used = observations.redis.memory_used
    if not used:
        return check("broker", used, policy.memory_used, unit, "Redis has no memory limit.")
    detail = (
        f"Redis uses {percent(used)} of its memory"
        f" (limit {percent(crossed(used, policy.memory_used))})."
        " It refuses messages when it is full."
    )
    return check("broker", used, policy.memory_used, unit, detail)


def disk(observations: Observations, policy: HealthPolicy) -> Check:
    """Judge if the private servers' disk has room."""
    used, unit = observations.disk_used, "share of the disk"
    if used is None:
        return check("disk", 0.0, policy.disk_used, unit, "No private server uses the disk.")
    detail = (
        f"The disk is {percent(used)} full (limit {percent(crossed(used, policy.disk_used))})."
        " PostgreSQL stops writing when it is full."
    )
    return check("disk", used, policy.disk_used, unit, detail)


def replica(observations: Observations, _policy: HealthPolicy) -> Check:
    """Judge if the read replica can be read, where there is one."""
    name, unit, found = "replica", "seconds behind PostgreSQL", observations.replica
    if found is None:
        return check(name, 0.0, REPLICA_SECONDS, unit, "No read replica is configured.")
    if isinstance(observations.stream, Away):
        return unknown(name, REPLICA_SECONDS, unit, "PostgreSQL")
    seconds = None if isinstance(found, Away) else found.seconds_behind
    why = _why_not_read(found)
    if seconds is not None and seconds >= LAG_SECONDS:
        return timed(observations, name, seconds, REPLICA_SECONDS, unit, why)
    if why:
        return Check(name, Status.WARN, seconds, REPLICA_SECONDS, unit, why)
    detail = f"The replica is {spoken(seconds or 0.0)} behind."
    return check(name, seconds, REPLICA_SECONDS, unit, detail)


def _why_not_read(found: Look | Away) -> str:
    """Return why a replica is not read, and what follows; an empty text if it is read."""
    why = ""
    if isinstance(found, Away):
        why = f"does not answer: {found.reason}"
    elif found.seconds_behind is None:
        why = "has replayed nothing yet"
    elif found.seconds_behind >= LAG_SECONDS:
        words = limit(found.seconds_behind, REPLICA_SECONDS)
        why = f"is {spoken(found.seconds_behind)} behind {words}"
    elif found.clock_off_seconds > CLOCK_SECONDS:
        off = f"{found.clock_off_seconds:.1f} s off (limit {CLOCK_SECONDS:g} s)"
        why = f"has a clock that is {off}"
    return why and f"The replica {why}. PostgreSQL itself answers what would be read there."


def _answers(
    name: str, server: str, facts: object, policy: HealthPolicy, consequence: str
) -> Check:
    within = spoken_limit(policy.probe_seconds)
    unit = f"servers without an answer within {within}"
    if not isinstance(facts, Away):
        return check(name, 0.0, MUST_NOT_BE, unit, f"{server} answers.")
    detail = f"{server} does not answer (limit {within}): {facts.reason}. {consequence}"
    return check(name, 1.0, MUST_NOT_BE, unit, detail)


def spoken_limit(seconds: float) -> str:
    """Format a deadline, which may be shorter than a tenth of a second."""
    return spoken(seconds) if seconds >= 1 else f"{seconds:g} s"


CHECKS: tuple[Judge, ...] = (database, redis, broker, disk, replica)
"""In the order in which they are shown."""
