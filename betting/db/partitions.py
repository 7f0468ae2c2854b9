"""Tables that are partitioned by time: which partitions they have, making and dropping them.

They are named as pg_partman names them: `_p20261201` after the day that one begins with, and
`_default` for rows of times that have none. What was there before a table was partitioned is
`_before`. See docs/adr/0041-history-in-partitions.md.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from django.db import OperationalError, ProgrammingError, transaction
from psycopg.errors import DeadlockDetected, InsufficientPrivilege, LockNotAvailable, QueryCanceled

from betting.db.advisory_locks import PARTITIONS
from betting.db.sql import execute, fetch_all
from streaming.core.partitions import Span, beyond

LOCK_TIMEOUT = "200ms"
"""Others that read or write the table wait behind us for as long; shorter than PostgreSQL takes to
look for deadlocks, so that it is we who give way."""

STATEMENT_TIMEOUT = "2s"
"""So long may one statement hold them off: a partition is attached after a look at all rows of the
default one."""

MOVED_AT_MOST = 10_000
"""So many rows of the default partition move into a new one while it is attached."""

_POSTPONED: Mapping[type[Exception], str] = {
    LockNotAvailable: "whose table is in use",
    DeadlockDetected: "whose table is in use",
    QueryCanceled: "which takes too long",
    InsufficientPrivilege: "for which this role has not the rights",
}
"""What ends a step, and none of the others."""

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Partitioned:
    """A table that is partitioned by a column's time.

    Attributes:
        name: the table.
        column: the column, part of the primary key.
    """

    name: str
    column: str

    @property
    def default(self) -> str:
        """The partition of rows whose time has no other."""
        return f"{self.name}_default"

    @property
    def before(self) -> str:
        """The partition that was the whole table once."""
        return f"{self.name}_before"


LINE_CHANGES = Partitioned("betting_linechange", "recorded_at")
POLL_RUNS = Partitioned("streaming_pollrun", "started_at")
RECOMPUTE_RUNS = Partitioned("valuation_recomputerun", "finished_at")
TABLES = (LINE_CHANGES, POLL_RUNS, RECOMPUTE_RUNS)


def partitions(table: Partitioned) -> dict[Span, str]:
    """Return the partitions by their spans; the default one has none."""
    rows = fetch_all(_PARTITIONS, {"table": table.name})
    return {Span(since, until): name for name, since, until in rows}


def make(table: Partitioned, span: Span) -> str | None:
    """Make the partition of a span; return its name, or None if none was made.

    Rows that the default partition has of that time move into it. If they are many they stay, and
    the partition begins after them. None is made while the table is in use for longer than the
    timeout, if it takes too long, if this role has not the rights, or if somebody else is at work.
    """
    return _in_turn(f"a partition of {table.name}", lambda: _make_what_is_free(table, span))


def drop(table: Partitioned, name: str) -> int | None:
    """Drop a partition; return how many rows it had by the planner's statistics.

    None is dropped while the table is in use for longer than the timeout, if this role has not the
    rights, or if somebody else is at work.
    """
    return _in_turn(name, lambda: _drop(table, name))


def analyze(table: Partitioned) -> None:
    """Renew the planner's statistics of the table as a whole, which autovacuum does not.

    Without them PostgreSQL takes a quote to have a two-hundredth of all changes. It reads a sample
    of each partition, however long that takes: nobody waits for it.
    """
    try:
        with transaction.atomic():
            # Of this transaction alone: over a pooler the session is not ours.
            fetch_all("SELECT set_config('statement_timeout', '0', true)", {})
            execute(f"ANALYZE {table.name}", {})
    except (OperationalError, ProgrammingError) as error:
        _postpone(f"the statistics of {table.name}", error)


def _in_turn(what: str, step: Callable[[], T | None]) -> T | None:
    """Take a step in a transaction, unless somebody else takes one or it cannot be taken now."""
    try:
        with transaction.atomic():
            return step() if _begins_alone() else None
    except (OperationalError, ProgrammingError) as error:
        _postpone(what, error)
        return None


def _postpone(what: str, error: Exception) -> None:
    """Leave to the next run what cannot be done now, so that all else is done; or raise."""
    for cause, why in _POSTPONED.items():
        if isinstance(error.__cause__, cause):
            logger.warning("retention postpones %s, %s: %s", what, why, error)
            return
    raise error


def _make_what_is_free(table: Partitioned, span: Span) -> str | None:
    # An insert that had chosen the default partition would fail once that has lost the span: those
    # who write wait before they choose.
    execute(f"LOCK TABLE ONLY {table.name} IN SHARE ROW EXCLUSIVE MODE", {})
    found: Span | None = span
    held, newest = _held(table, span)
    if held > MOVED_AT_MOST:
        found = beyond(span, newest)
    if found is None or any(map(found.overlaps, partitions(table))):
        return None
    return _make(table, found)


def _drop(table: Partitioned, name: str) -> int | None:
    if name not in partitions(table).values():
        return None
    ((rows,),) = fetch_all(_ROWS, {"table": name})
    execute(f"DROP TABLE {name}", {})
    logger.info("partition %s was dropped, with some %d rows", name, rows)
    return int(rows)


def _make(table: Partitioned, span: Span) -> str:
    if span.since is None:
        raise ValueError("only what was there before has no beginning")
    name = f"{table.name}_p{span.since:%Y%m%d}"
    since, until = (f"'{at.isoformat()}'" for at in (span.since, span.until))
    execute(f"CREATE TABLE {name} (LIKE {table.name} INCLUDING ALL)", {})
    execute(
        f"WITH moved AS (DELETE FROM {table.default} WHERE {table.column} >= {since}"  # noqa: S608 - names and times of ours
        f" AND {table.column} < {until} RETURNING *) INSERT INTO {name} SELECT * FROM moved",
        {},
    )
    execute(
        f"ALTER TABLE {table.name} ATTACH PARTITION {name} FOR VALUES FROM ({since}) TO ({until})",
        {},
    )
    logger.info("partition %s was made, until %s", name, span.until.date())
    return name


def _held(table: Partitioned, span: Span) -> tuple[int, datetime]:
    """Return how many rows of a span the default partition has, up to a bound, and the newest."""
    ((count, newest),) = fetch_all(
        f"""
        SELECT (SELECT count(*) FROM (SELECT FROM {table.default}
                WHERE {table.column} >= %(since)s AND {table.column} < %(until)s
                LIMIT {MOVED_AT_MOST + 1}) AS held),
               (SELECT max({table.column}) FROM {table.default}
                WHERE {table.column} >= %(since)s AND {table.column} < %(until)s)
        """,  # noqa: S608 - names of ours
        {"since": span.since, "until": span.until},
    )
    return count, newest


def _begins_alone() -> bool:
    """Set the timeouts of the transaction; return False if another one is at work."""
    rows = fetch_all(
        "SELECT pg_try_advisory_xact_lock(%(lock)s), set_config('lock_timeout', %(wait)s, true),"
        " set_config('statement_timeout', %(work)s, true)",
        {"lock": PARTITIONS, "wait": LOCK_TIMEOUT, "work": STATEMENT_TIMEOUT},
    )
    return bool(rows[0][0])


_ROWS = "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = to_regclass(%(table)s)"

_PARTITIONS = r"""
SELECT c.relname, (regexp_match(c.bound, 'FROM \(''([^'']+)''\)'))[1]::timestamptz,
       (regexp_match(c.bound, 'TO \(''([^'']+)''\)'))[1]::timestamptz
FROM (
    SELECT relname, pg_get_expr(relpartbound, oid) AS bound FROM pg_class
    WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass(%(table)s))
) AS c
WHERE c.bound <> 'DEFAULT'
"""
