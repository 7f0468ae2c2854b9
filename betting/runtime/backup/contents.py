"""The contents of a database: its tables, their rows and its migrations."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from psycopg import sql

SCHEMA = "public"


def tables(connection: psycopg.Connection) -> list[str]:
    """Return the names of the tables."""
    query = "SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY tablename"
    return [str(name) for (name,) in connection.execute(query, [SCHEMA])]


def partitioned_tables(connection: psycopg.Connection) -> list[str]:
    """Return the names of the tables that are partitioned; their rows are their partitions'."""
    return _of_kind(connection, "p")


def row_counts(connection: psycopg.Connection, on_table: Callable[[str], None]) -> dict[str, int]:
    """Count the rows of each table, those of partitions once.

    Args:
        connection: a session.
        on_table: called with the name of each table before it.
    """
    counts = {}
    for name in _of_kind(connection, "r"):
        on_table(name)
        query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(SCHEMA, name))
        (counts[name],) = connection.execute(query).fetchone() or (0,)
    return counts


def applied_migrations(connection: psycopg.Connection) -> list[str]:
    """Return the migrations that have been applied, as `app.name`."""
    query = "SELECT app || '.' || name FROM django_migrations ORDER BY 1"
    return [str(name) for (name,) in connection.execute(query)]


def _of_kind(connection: psycopg.Connection, kind: str) -> list[str]:
    query = (
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind = %s"
        " ORDER BY relname"
    )
    return [str(name) for (name,) in connection.execute(query, [SCHEMA, kind])]
