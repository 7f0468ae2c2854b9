"""Looks at all that roles and servers spend, and the difference of two looks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection

from betting.db.redis import redis_client
from streaming.benchmark.aggregates import Usages, process_figures
from streaming.benchmark.process_metrics import family_usages
from streaming.benchmark.scaling.document import Spent

_TAG = "/* benchmark */"
"""In the benchmark's own statements, which are not counted."""

_LOOK = f"""
SELECT {_TAG} pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint,
       (SELECT COALESCE(sum(s.calls), 0)::bigint
        FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
        WHERE d.datname = current_database() AND position(%(tag)s IN s.query) = 0)
"""  # noqa: S608 - a constant of ours

_IS_DONE = f"""
SELECT {_TAG} NOT EXISTS (SELECT FROM betting_market WHERE version <> valued_version)
"""  # noqa: S608 - a constant of ours


@dataclass(frozen=True, slots=True)
class Look:
    """All that has been spent until a moment.

    Attributes:
        at: seconds of this process's clock.
        own_seconds: CPU time of this process.
        usages: role → its processes.
        wal_bytes, statements, commands: see `Spent`.
    """

    at: float
    own_seconds: float
    usages: Mapping[str, Usages]
    wal_bytes: int
    statements: int
    commands: int


class Meter:
    """A meter of some roles and of the servers.

    Args:
        roles: name → the process ids of its roots.
        own: the role of this process, whose looks do not count; empty if it has none.
    """

    def __init__(self, roles: Mapping[str, Sequence[int]], own: str = "") -> None:
        self._roles = roles
        self._own = own
        with connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")

    def look(self) -> Look:
        """Return what has been spent until now."""
        usages = {role: family_usages(pids) for role, pids in self._roles.items()}
        with connection.cursor() as cursor:
            cursor.execute(_LOOK, {"tag": _TAG})
            wal_bytes, statements = cursor.fetchone()
        commands = int(redis_client().info("stats")["total_commands_processed"])
        at, own_seconds = time.perf_counter(), time.process_time()
        return Look(at, own_seconds, usages, wal_bytes, statements, commands)

    def since(self, before: Look) -> Spent:
        """Return what has been spent since a look."""
        at, own_seconds = time.perf_counter(), time.process_time()
        after = self.look()
        cpu = {self._own: own_seconds - before.own_seconds} if self._own else {}
        cpu |= {
            role: process_figures([before.usages[role], after.usages[role]]).cpu_seconds
            for role in self._roles
        }
        # The second look's own command came before it was counted.
        return Spent(
            at - before.at,
            cpu,
            after.wal_bytes - before.wal_bytes,
            after.statements - before.statements,
            max(0, after.commands - before.commands - 1),
        )


def is_done() -> bool:
    """Return True if no market is stale; the question is not counted."""
    with connection.cursor() as cursor:
        cursor.execute(_IS_DONE)
        (is_done,) = cursor.fetchone()
    return bool(is_done)
