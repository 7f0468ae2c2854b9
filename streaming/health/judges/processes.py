"""The processes: beat, the workers, and the queues between them."""

from __future__ import annotations

from streaming.core.durations import spoken
from streaming.core.health import MUST_NOT_BE, Check, HealthPolicy, check, crossed
from streaming.health.judges.common import (
    Judge,
    counted,
    dated,
    lenient,
    limit,
    never,
    timed,
    unknown,
)
from streaming.health.observations import Away, Observations


def beat(observations: Observations, policy: HealthPolicy) -> Check:
    """Judge if beat ticks, and a worker takes its ticks."""
    unit, limits = "seconds since the last tick", policy.tick_seconds
    if isinstance(observations.redis, Away):
        return unknown("beat", limits, unit, "Redis")
    seconds, consequence = (
        observations.redis.tick_seconds,
        "Until it ticks, nothing is polled or swept.",
    )
    if seconds is None:
        detail = "Beat has never ticked. Nothing is polled or swept."
        return lenient(never("beat", limits, unit, detail), observations, policy, None)
    if seconds < limits[0]:
        return check("beat", seconds, limits, unit, f"Beat ticked {spoken(seconds)} ago.")
    detail = f"Beat has not ticked for {spoken(seconds)} {limit(seconds, limits)}. {consequence}"
    return lenient(
        timed(observations, "beat", seconds, limits, unit, detail), observations, policy, seconds
    )


def workers(observations: Observations, policy: HealthPolicy) -> Check:
    """Judge if each queue has a worker that answers."""
    unit, seconds = "queues without a worker", observations.workers_seconds
    if seconds is not None and seconds > policy.trusted_seconds:
        return lenient(_nobody_asks(observations, policy, seconds), observations, policy, seconds)
    if observations.workers is None:
        if isinstance(observations.stream, Away):
            return unknown("workers", MUST_NOT_BE, unit, "PostgreSQL")
        if isinstance(observations.redis, Away) or seconds is not None:
            return unknown("workers", MUST_NOT_BE, unit, "the broker")
        detail = "No snapshot has ever asked the workers. Until one does, no failure is reported."
        return lenient(never("workers", MUST_NOT_BE, unit, detail), observations, policy, None)
    idle = sorted(name for name, count in observations.workers.items() if not count)
    if not idle:
        return check("workers", 0, MUST_NOT_BE, unit, "Every queue has a worker.")
    detail = f"No worker takes from {', '.join(idle)}. Their messages wait."
    return lenient(
        check("workers", len(idle), MUST_NOT_BE, unit, detail), observations, policy, None
    )


def _nobody_asks(observations: Observations, policy: HealthPolicy, seconds: float) -> Check:
    bound = policy.trusted_seconds
    detail = (
        f"No snapshot has asked the workers for {spoken(seconds)} (limit {spoken(bound)}): beat or"
        " worker-io is down. Until both run, no failure is reported."
    )
    queues = len(observations.workers or ()) or 1
    found = check("workers", queues, MUST_NOT_BE, "queues without a worker", detail)
    return dated(found, observations, seconds, (bound, bound))


def queue_backlog(observations: Observations, policy: HealthPolicy) -> Check:
    """Judge if messages pile up in a queue."""
    unit, limits = "messages in the longest queue", policy.queue_messages
    if isinstance(observations.redis, Away):
        return unknown("queue_backlog", limits, unit, "Redis")
    name, queue = max(observations.redis.queues.items(), key=lambda pair: pair[1].messages)
    count = queue.messages
    if not count:
        return check("queue_backlog", 0, limits, unit, "No message waits.")
    detail = f"{counted(count, 'message waits', 'messages wait')} in {name}"
    detail += f" (limit {crossed(count, limits):,.0f})."
    if count >= limits[0]:
        detail += " More messages arrive than workers take, so their work is late."
    found = check("queue_backlog", count, limits, unit, detail)
    return lenient(found, observations, policy, queue.oldest_seconds)


def queue_age(observations: Observations, policy: HealthPolicy) -> Check:
    """Judge if messages wait for long."""
    unit, limits = "seconds that the oldest message waits", policy.queue_seconds
    if isinstance(observations.redis, Away):
        return unknown("queue_age", limits, unit, "Redis")
    name, queue = max(observations.redis.queues.items(), key=lambda pair: pair[1].oldest_seconds)
    seconds = queue.oldest_seconds
    if not seconds:
        return check("queue_age", 0.0, limits, unit, "No message waits.")
    detail = f"A message in {name} has waited for {spoken(seconds)} {limit(seconds, limits)}."
    if seconds >= limits[0]:
        detail += f" {_late(name)}"
    return lenient(
        timed(observations, "queue_age", seconds, limits, unit, detail),
        observations,
        policy,
        seconds,
    )


def _late(queue: str) -> str:
    """Say what is late while messages wait in a queue."""
    late = {
        "poll": "Polls, sweeps and snapshots are late.",
        "coalesce": "Line changes wait for their valuation.",
        "valuation": "Fair prices and edges are out of date.",
        "major": "Fair prices and edges of major moves are out of date.",
        "deliver": "Subscribers get notifications late.",
    }
    return late.get(queue, "Its work is late.")


CHECKS: tuple[Judge, ...] = (beat, workers, queue_backlog, queue_age)
"""In the order in which they are shown."""
