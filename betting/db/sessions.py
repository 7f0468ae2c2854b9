"""The database's sessions, which a pooler in transaction mode lends for one transaction only.

With DATABASE_SESSION_URL, `default` leads to such a pooler, and a second alias past it, to sessions
that last. What needs one uses that alias. See docs/adr/0057-a-pooler-lends-transactions.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, connections
from psycopg import sql

SESSIONS = "sessions"

LIMITS: Mapping[str, str] = {
    "lock_timeout": "5s",
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "30s",
}
"""The deadlines of every session: a lock held too long is an error and a retry, not a hang."""


def is_pooled() -> bool:
    """Return True if `default` leads to a pooler."""
    return SESSIONS in settings.DATABASES


def sessions_alias() -> str:
    """Return the alias of the connections whose sessions last as long as they do."""
    return SESSIONS if is_pooled() else DEFAULT_DB_ALIAS


def keep_session() -> None:
    """Show that this thread still works: a holder of `session_lock` has to, or loses it.

    Raises:
        django.db.OperationalError: the session is lost, and with it its locks.
    """
    if is_pooled():  # otherwise every statement shows it
        with connections[SESSIONS].cursor() as cursor:
            cursor.execute("SELECT 1")


@contextmanager
def past_the_pooler() -> Iterator[None]:
    """Have this thread's `default` lead past the pooler while the block runs."""
    if not is_pooled():
        yield
        return
    pooled = connections[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS] = connections[SESSIONS].copy(DEFAULT_DB_ALIAS)
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS].close()
        connections[DEFAULT_DB_ALIAS] = pooled


def limit_role() -> None:
    """Make `LIMITS` those of our role in this database: a pooler passes no options on.

    If they are new, the pooler's idle sessions end, which began without them.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LIMITS_OF_ROLE)
        found = {text for (texts,) in cursor.fetchall() for text in texts}
        if found.issuperset(f"{name}={value}" for name, value in LIMITS.items()):
            return
        for name, value in LIMITS.items():
            cursor.execute(
                sql.SQL("ALTER ROLE CURRENT_USER IN DATABASE {} SET {} = {}").format(
                    sql.Identifier(str(connection.settings_dict["NAME"])),
                    sql.Identifier(name),
                    sql.Literal(value),
                )
            )
        cursor.execute(_END_IDLE_SESSIONS)


_LIMITS_OF_ROLE = """
SELECT setconfig FROM pg_db_role_setting
WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND setrole = (SELECT oid FROM pg_roles WHERE rolname = current_user)
"""

_END_IDLE_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity a
WHERE datname = current_database() AND usename = current_user AND state = 'idle'
  AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory')
"""
