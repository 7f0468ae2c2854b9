"""Faults of PostgreSQL: away, slow, read-only, without a session to give, a table locked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from random import Random

import psutil
import psycopg

from betting.db.partitions import LINE_CHANGES
from betting.runtime.embedded.postgres import PORT
from streaming.chaos.disk import full, small_disk
from streaming.chaos.faults.base import Fault, repeating, stopped
from streaming.chaos.plan import Kind
from streaming.chaos.slow import slow
from streaming.chaos.stage import Stage, kill

_LOCKED = "betting_market"
_HISTORY = LINE_CHANGES.before
"""A run is too short for changes to come into another partition."""
_HISTORY_BYTES = f"SELECT pg_table_size('{_HISTORY}')"
_SPARE_BYTES = 2_000_000

_MIGRATION = (
    "ALTER TABLE betting_quote ADD COLUMN chaos integer",
    f"CREATE INDEX CONCURRENTLY chaos ON {_HISTORY} (recorded_at)",
    "ALTER TABLE betting_quote ADD CONSTRAINT chaos CHECK (chaos > 0) NOT VALID",
    "ALTER TABLE betting_quote VALIDATE CONSTRAINT chaos",
)
_MIGRATED_BACK = (
    "ALTER TABLE betting_quote DROP COLUMN IF EXISTS chaos",
    "DROP INDEX CONCURRENTLY IF EXISTS chaos",
)


@contextmanager
def _stopped(stage: Stage, _choice: int) -> Iterator[str]:
    with stopped(stage.postgres()):
        yield "PostgreSQL"


@contextmanager
def _killed(stage: Stage, _choice: int) -> Iterator[str]:
    kill(stage.postgres()[:1])
    yield "PostgreSQL"


@contextmanager
def _backend_killed(stage: Stage, choice: int) -> Iterator[str]:
    """Kill one session's process, upon which PostgreSQL ends all of them and recovers."""
    with stage.session() as session:
        rows = session.execute(_OTHERS).fetchall()
    if rows:
        kill([psutil.Process(rows[choice % len(rows)][0])])
    yield "a session"


@contextmanager
def _sessions_ended(stage: Stage, _choice: int) -> Iterator[str]:
    with stage.session() as session:
        session.execute(_END_OTHERS)
    yield "all sessions"


@contextmanager
def _locked(stage: Stage, _choice: int) -> Iterator[str]:
    with stage.session() as session, session.transaction():
        session.execute(f"LOCK TABLE {_LOCKED} IN ACCESS EXCLUSIVE MODE")
        yield _LOCKED


@contextmanager
def _read_only(stage: Stage, _choice: int) -> Iterator[str]:
    with stage.session() as session:
        session.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        session.execute("SELECT pg_reload_conf()")
    try:
        yield "PostgreSQL"
    finally:
        with stage.session() as session:
            session.execute("ALTER SYSTEM RESET default_transaction_read_only")
            session.execute("SELECT pg_reload_conf()")


@contextmanager
def _slow(stage: Stage, choice: int) -> Iterator[str]:
    """Delay what passes and cut connections; those that are open are ended, so that it has all."""
    socket = stage.state.postgres_sockets / f".s.PGSQL.{PORT}"
    with stage.session() as session, slow(socket, Random(choice)):  # noqa: S311 - repeatable chance, not a secret
        session.execute(_END_OTHERS)
        yield "PostgreSQL"


@contextmanager
def _without_sessions(stage: Stage, _choice: int) -> Iterator[str]:
    """Take every session that the server has to give, those that others let go of as well."""
    with stage.session() as session, ExitStack() as taken:
        own = [session.info.backend_pid]

        def take_all() -> None:
            with suppress(psycopg.Error):
                while True:
                    own.append(taken.enter_context(stage.session()).info.backend_pid)

        take_all()
        session.execute(f"{_END_OTHERS} WHERE pid <> ALL (%s)", [own])
        with repeating(take_all):
            yield "PostgreSQL"


@contextmanager
def _disk_full(stage: Stage, _choice: int) -> Iterator[str]:
    """Keep the history on a disk of its own, which then has no byte left."""
    directory = stage.state.database / "chaos-disk"
    with stage.session() as session:
        (size,) = session.execute(_HISTORY_BYTES).fetchone() or (0,)
    with small_disk(directory, size + _SPARE_BYTES) as is_permitted:
        if not is_permitted:
            yield "nothing, as this user may not mount a disk"
            return
        with ExitStack() as ends:
            with stage.session() as session:
                session.execute(f"CREATE TABLESPACE chaos LOCATION '{directory}'")
                ends.callback(_drop_tablespace, stage)
                session.execute(f"ALTER TABLE {_HISTORY} SET TABLESPACE chaos")
            with full(directory):
                yield "the history's"


def _drop_tablespace(stage: Stage) -> None:
    """Move the history back, however long that takes: without its disk PostgreSQL cannot start."""
    with stage.session() as session:
        session.execute("SET statement_timeout = 0")
        session.execute(f"ALTER TABLE {_HISTORY} SET TABLESPACE pg_default")
        session.execute("CHECKPOINT")  # until then files of the table are kept
        session.execute("DROP TABLESPACE chaos")


@contextmanager
def _migrated(stage: Stage, _choice: int) -> Iterator[str]:
    """Do what a migration under a running release may do, and undo it at the end."""
    with ExitStack() as undo:
        for statement in _MIGRATED_BACK:
            undo.callback(_do, stage, statement)
        for statement in _MIGRATION:
            _do(stage, statement)
        yield "quotes and history"


def _do(stage: Stage, statement: str) -> None:
    """Run a statement, however long it takes, in a session of its own."""
    with stage.session() as session:
        session.execute("SET statement_timeout = 0")
        session.execute(statement)


# Sessions of this run's database alone: the oracle's and those of the server's own are others.
_OTHERS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""

_END_OTHERS = f"SELECT pg_terminate_backend(pid) FROM ({_OTHERS}) AS others"  # noqa: S608 - a constant

FAULTS = (
    Fault(Kind("PostgreSQL stopped", "postgres", (5.0, 5.0)), _stopped),
    Fault(Kind("PostgreSQL killed", "postgres"), _killed),
    Fault(Kind("session's process killed", "postgres"), _backend_killed),
    Fault(Kind("all sessions ended", "postgres"), _sessions_ended),
    Fault(Kind("table locked", "postgres", (2.0, 5.0), leaves_letters=True), _locked),
    Fault(Kind("PostgreSQL read-only", "postgres", (2.0, 4.0), leaves_letters=True), _read_only),
    Fault(Kind("PostgreSQL slow", "postgres", (3.0, 6.0)), _slow),
    Fault(Kind("PostgreSQL out of sessions", "postgres", (2.0, 5.0)), _without_sessions),
    Fault(Kind("disk full", "postgres", (2.0, 4.0), leaves_letters=True), _disk_full),
    Fault(Kind("migration under way", "postgres", (1.0, 3.0)), _migrated),
)
