"""The servers: PostgreSQL, Redis, their memory and their disk."""

from __future__ import annotations

from streaming.core.durations import spoken
from streaming.core.health import MUST_NOT_BE, Check, HealthPolicy, check, crossed
from streaming.health.judges.common import Judge, unknown
from streaming.health.observations import Away, Observations


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
        f"Redis uses {used:.0%} of its memory (limit {crossed(used, policy.memory_used):.0%})."
        " It refuses messages when it is full."
    )
    return check("broker", used, policy.memory_used, unit, detail)


def disk(observations: Observations, policy: HealthPolicy) -> Check:
    """Judge if the private servers' disk has room."""
    used, unit = observations.disk_used, "share of the disk"
    if used is None:
        return check("disk", 0.0, policy.disk_used, unit, "No private server uses the disk.")
    detail = (
        f"The disk is {used:.0%} full (limit {crossed(used, policy.disk_used):.0%})."
        " PostgreSQL stops writing when it is full."
    )
    return check("disk", used, policy.disk_used, unit, detail)


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


CHECKS: tuple[Judge, ...] = (database, redis, broker, disk)
"""In the order in which they are shown."""
