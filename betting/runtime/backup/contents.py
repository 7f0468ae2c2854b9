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


def row_counts(connection: psycopg.Connection, on_table: Callable[[str], None]) -> dict[str, int]:
    """Count the rows of each table; `on_table` is called with the name of each before it."""
    counts = {}
    for name in tables(connection):
        on_table(name)
        query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(SCHEMA, name))
        (counts[name],) = connection.execute(query).fetchone() or (0,)
    return counts


def applied_migrations(connection: psycopg.Connection) -> list[str]:
    """Return the migrations that have been applied, as `app.name`."""
    query = "SELECT app || '.' || name FROM django_migrations ORDER BY 1"
    return [str(name) for (name,) in connection.execute(query)]
