"""The memory and the disk that waiting work and rows take."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from betting.config import Config
from betting.db.redis import redis_client
from betting.db.sql import fetch_all
from streaming.benchmark.scaling.document import Row, Spent, plus
from streaming.coalescing import buffer
from valuation.tasks import send_recomputes

WAITING = 10_000
"""The markets that wait while the memory of that is measured, with all workers stopped."""

_BOARD = (
    "betting_quote", "betting_outcome", "betting_market", "betting_event", "valuation_fairprice",
)  # fmt: skip

_SIZES = """
SELECT (SELECT count(*) FROM betting_quote),
       (SELECT sum(pg_total_relation_size(name::regclass)) FROM unnest(%(board)s::text[]) AS name),
       (SELECT count(*) FROM betting_linechange),
       (SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('betting_linechange'))
"""


def redis_bytes(config: Config) -> dict[str, float]:
    """Return what a thousand markets take in Redis that wait in the buffer, or for their value."""
    ids = range(1, WAITING + 1)
    empty = _used()
    buffer.push(dict.fromkeys(ids, 1), config.coalesce, [str(uuid4())])
    buffered = _used()
    send_recomputes(list(ids), "batch")
    queued = _used()
    redis_client().delete("valuation")
    for shard in range(config.coalesce.shards):
        buffer.drain(shard, config.coalesce)
    return {
        "Redis, empty": float(empty),
        "Redis, for 1,000 markets in the buffer": 1_000 * (buffered - empty) / WAITING,
        "Redis, for 1,000 markets in the queue": 1_000 * (queued - buffered) / WAITING,
    }


def _used() -> int:
    return int(redis_client().info("memory")["used_memory"])


def disk_bytes() -> dict[str, float]:
    """Return what a quote and a row of history take on disk, with their indexes."""
    ((quotes, board, changes, history),) = fetch_all(_SIZES, {"board": list(_BOARD)})
    return {
        "disk of a quote, with its share of outcome, market, event and fair price": float(
            board / max(quotes, 1)
        ),
        "disk of a change in the history": float(history / max(changes, 1)),
    }


def summed(case: str, rows: Sequence[Row]) -> Row:
    """Return rows of one case as one."""
    spent = [row.spent for row in rows]
    return Row(
        case,
        plus(*(row.amounts for row in rows)),
        Spent(
            sum(each.seconds for each in spent),
            plus(*(each.cpu_seconds for each in spent)),
            sum(each.wal_bytes for each in spent),
            sum(each.statements for each in spent),
            sum(each.commands for each in spent),
        ),
    )
