"""Observations of the servers and workers: Redis and its queues, beat, workers, the disk."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from celery import current_app
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from betting.config import Config
from betting.db.broker import waiting_messages
from betting.db.redis import kept_client, redis_client
from betting.runtime.broker import is_rabbitmq
from betting.runtime.embedded import redis_url
from betting.runtime.redis_clients import make_client
from streaming.coalescing import buffer
from streaming.coalescing.adaptive import AdaptiveCounts, count_keys
from streaming.dead_letters.transport import SENT_AT
from streaming.notifications import bus

_TICK = "hardline:tick"
_UNACKNOWLEDGED = "unacked"  # kombu's own name


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """One of Celery's queues.

    Attributes:
        messages: how many wait.
        oldest_seconds: how long the oldest has; 0 without any.
    """

    messages: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """The content of Redis at one moment.

    Attributes:
        tick_seconds: since the last tick; None if there never was one.
        queues: each of our queues.
        unacknowledged: messages that workers hold, in countdown or being worked on.
        buffered_markets: markets that wait for their batch.
        hints_dropped: since this Redis was set up.
        memory_used: the part of its `maxmemory`; 0 where it has none.
        deliveries_dropped: that found their queue full, since this Redis was set up.
        adaptive: what adaptive windows decided lately; None where they decided nothing.
    """

    tick_seconds: float | None
    queues: Mapping[str, QueueFacts]
    unacknowledged: int
    buffered_markets: int
    hints_dropped: int
    memory_used: float
    deliveries_dropped: int
    adaptive: AdaptiveCounts | None = None


def record_tick() -> None:
    """Record the time of a tick of beat, by Redis's own clock."""
    redis = redis_client()
    seconds, micros = redis.time()
    redis.set(_TICK, seconds + micros / 1e6)


def queue_names() -> list[str]:
    """Return our queues, as the settings list them."""
    return [queue.name for queue in current_app.conf.task_queues]


def look_at_redis(config: Config) -> RedisFacts:
    """Ask Redis, in one round trip that has a deadline.

    Raises:
        redis.RedisError: it does not answer, or not in time.
        kombu.exceptions.OperationalError: nor does RabbitMQ, if that is the broker.
    """
    names = queue_names()
    with _client(config).pipeline(transaction=False) as asked:
        asked.time()
        asked.info("memory")
        asked.get(_TICK)
        asked.get(buffer.DROPPED)
        asked.get(bus.DROPPED)
        asked.hlen(_UNACKNOWLEDGED)
        for key in count_keys(time.time()):
            asked.hgetall(key)
        for name in names:
            asked.llen(name)
            asked.lindex(name, -1)
        for shard in range(config.coalesce.slot_shards.stop):
            asked.hlen(f"hardline:buffer:{shard}")
        (seconds, micros), memory, tick, dropped, undelivered, *rest = asked.execute()
    unacknowledged, counts, rest = rest[0], rest[1:3], rest[3:]
    now = seconds + micros / 1e6
    waiting = rest[: 2 * len(names)]
    lengths, oldest = waiting[::2], waiting[1::2]
    if is_rabbitmq(config):
        # It does not say how old its messages are.
        lengths = list(waiting_messages(names).values())
    pairs = zip(names, lengths, oldest, strict=True)
    return RedisFacts(
        tick_seconds=None if tick is None else max(0.0, now - float(tick)),
        queues={name: QueueFacts(int(count), _age(last, now)) for name, count, last in pairs},
        unacknowledged=int(unacknowledged),
        buffered_markets=sum(rest[2 * len(names) :]),
        hints_dropped=int(dropped or 0),
        memory_used=_part(memory),
        deliveries_dropped=int(undelivered or 0),
        adaptive=AdaptiveCounts.of(counts),
    )


@kept_client
def _client(config: Config) -> Redis:
    """Return a client of its own: the pipeline's waits longer, and tries again."""
    seconds = config.health.probe_seconds
    return make_client(
        redis_url(config),
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), 0),
    )


def _age(message: bytes | None, now: float) -> float:
    """Return how long a message has waited, in seconds; 0 if it does not say when it was sent."""
    if message is None:
        return 0.0
    with suppress(ValueError, KeyError, TypeError):
        return max(0.0, now - float(json.loads(message)["properties"][SENT_AT]))
    return 0.0


def _part(memory: Mapping[str, Any]) -> float:
    limit = int(memory.get("maxmemory") or 0)
    return int(memory["used_memory"]) / limit if limit else 0.0


def consumers(seconds: float) -> dict[str, int]:
    """Ask all workers what they take from, and wait this long for their answers.

    Returns:
        Each of our queues and how many workers take from it.

    Raises:
        kombu.exceptions.OperationalError: the broker is away.
    """
    answers = current_app.control.inspect(timeout=seconds).active_queues() or {}
    taken = Counter(queue["name"] for queues in answers.values() for queue in queues)
    return {name: taken[name] for name in queue_names()}


def disk_used(config: Config) -> float | None:
    """Return the used part of the disk under the private servers; None if none is ours."""
    if config.database_url is not None and config.redis_url is not None:
        return None
    usage = shutil.disk_usage(config.home)
    return usage.used / usage.total
