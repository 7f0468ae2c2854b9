"""Faults of messages: doubled, late, out of order, many at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from random import Random

import psycopg
from celery import current_app
from redis.exceptions import RedisError

from betting.db.outages import OUTAGES
from streaming.chaos.faults.base import Fault, repeating
from streaming.chaos.plan import Kind
from streaming.chaos.stage import Stage
from streaming.tasks import coalesce_line_changes, sweep, tick
from valuation.tasks import recompute_markets

_TICKS = 10
_BATCH = 20
_CATCH_SECONDS = 0.02


@contextmanager
def _doubled(stage: Stage, _choice: int) -> Iterator[str]:
    """Put a copy behind each message that waits, and in front of it; copies are not copied."""
    queues = [queue.name for queue in current_app.conf.task_queues]
    doubled: set[bytes] = set()
    with stage.redis_client() as client:

        def double() -> None:
            with suppress(RedisError):
                for queue in queues:
                    waiting = set(client.lrange(queue, 0, _BATCH)) - doubled
                    for message in waiting:
                        client.lpush(queue, message)
                        client.rpush(queue, message)
                    doubled.update(waiting)

        with repeating(double):
            yield "all queues"


@contextmanager
def _late(stage: Stage, choice: int) -> Iterator[str]:
    """Keep back what is caught waiting, and put it back at the end, in any order."""
    rng = Random(choice)  # noqa: S311 - repeatable chance, not a secret
    queues = [queue.name for queue in current_app.conf.task_queues]
    kept: list[tuple[str, bytes]] = []
    with stage.redis_client() as client:

        def keep() -> None:
            with suppress(RedisError):
                for queue in queues:
                    kept.extend((queue, message) for message in client.rpop(queue, _BATCH) or ())

        try:
            with repeating(keep, _CATCH_SECONDS):
                yield "all queues"
        finally:
            rng.shuffle(kept)
            for queue, message in kept:
                client.lpush(queue, message)


@contextmanager
def _many(stage: Stage, choice: int) -> Iterator[str]:
    """Send what the stream sends itself, ten times and out of order."""
    rng = Random(choice)  # noqa: S311 - repeatable chance, not a secret
    with suppress(*OUTAGES, psycopg.Error):
        with stage.session() as session:
            rows = session.execute("SELECT id FROM betting_market").fetchall()
        markets = [market for (market,) in rows]
        rng.shuffle(markets)
        for _ in range(_TICKS):
            tick.delay()
            sweep.delay()
            for shard in range(stage.config.coalesce.shards):
                coalesce_line_changes.delay(shard)
        for start in range(0, len(markets), _BATCH):
            batch = markets[start : start + _BATCH]
            recompute_markets.apply_async((batch, "sweep"), countdown=rng.uniform(0.0, 2.0))
    yield "ten ticks, sweeps and flushes, all markets"


FAULTS = (
    Fault(Kind("messages doubled", "redis", (3.0, 5.0)), _doubled),
    Fault(Kind("messages repeated", "redis"), _many),
    Fault(Kind("messages late and out of order", "redis", (2.0, 4.0)), _late),
)
