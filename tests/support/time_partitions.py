"""Partitioned tables as an installation has them some time after its migration."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from betting.db import partitions
from betting.db.partitioning import BOUND_DAYS
from betting.db.partitions import Partitioned
from betting.db.sql import execute
from streaming.core.partitions import midnight, plan

DAY = timedelta(days=1)


def today() -> datetime:
    """The beginning of this day of UTC."""
    return midnight(datetime.now(UTC))


def begin(table: Partitioned, at: datetime) -> None:
    """Have the partition of what was there before there were any end at a time."""
    before = table.before
    if before in partitions.partitions(table).values():
        execute(f"ALTER TABLE {table.name} DETACH PARTITION {before}", {})
    execute(f"CREATE TABLE IF NOT EXISTS {before} (LIKE {table.name} INCLUDING ALL)", {})
    execute(
        f"ALTER TABLE {table.name} ATTACH PARTITION {before}"
        f" FOR VALUES FROM (MINVALUE) TO ('{at.isoformat()}')",
        {},
    )


def reset(table: Partitioned) -> None:
    """Have an empty table, with the partitions that a migration of today makes."""
    for name in partitions.partitions(table).values():
        execute(f"DROP TABLE {name}", {})
    execute(f"TRUNCATE {table.name}", {})
    begin(table, today() + BOUND_DAYS * DAY)


def make_partitions(table: Partitioned, days: int) -> None:
    """Make all partitions of a retention, as if the migration was longer ago."""
    reset(table)
    at = today() - days * DAY
    begin(table, at)
    while at <= today():
        for span in plan(partitions.partitions(table), days, at).make:
            partitions.make(table, span)
        at += DAY
    # In the transaction of a test, the limits that each of them sets for its own go on.
    for limit in ("statement_timeout", "lock_timeout"):
        execute(f"SET LOCAL {limit} TO DEFAULT", {})
