"""Faults of PostgreSQL: stopped, killed, its sessions ended, a table locked, read-only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from streaming.chaos.faults.base import Fault, stopped
from streaming.chaos.plan import Kind
from streaming.chaos.stage import Stage, kill

_LOCKED = "betting_market"


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
        session.execute(f"SELECT pg_terminate_backend(pid) FROM ({_OTHERS}) AS others")  # noqa: S608 - a constant
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


# Sessions of this run's database alone: the oracle's and those of the server's own are others.
_OTHERS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""

FAULTS = (
    Fault(Kind("PostgreSQL stopped", "postgres", (5.0, 5.0)), _stopped),
    Fault(Kind("PostgreSQL killed", "postgres"), _killed),
    Fault(Kind("session's process killed", "postgres"), _backend_killed),
    Fault(Kind("all sessions ended", "postgres"), _sessions_ended),
    Fault(Kind("table locked", "postgres", (2.0, 5.0), leaves_letters=True), _locked),
    Fault(Kind("PostgreSQL read-only", "postgres", (2.0, 4.0), leaves_letters=True), _read_only),
)
