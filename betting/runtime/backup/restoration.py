"""`manage.py backup restore`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from django.db.migrations.loader import MigrationLoader
from psycopg import sql

from betting.config import Config
from betting.runtime.backup.contents import SCHEMA, tables
from betting.runtime.backup.errors import BackupError
from betting.runtime.backup.load import load
from betting.runtime.backup.manifest import Manifest, checked
from betting.runtime.backup.progress import Show
from betting.runtime.backup.server import server_of

ASIDE = "hardline_replaced"
"""The schema that holds the old tables until the new ones are complete."""

_END_SECONDS = 5.0
_LOOK_SECONDS = 0.1


def restore(config: Config, dump: Path, show: Show, *, replaces: bool) -> Manifest:
    """Fill the database from a backup; if that fails, it is as it was before.

    Args:
        config: names the server.
        dump: the backup's file.
        show: shows the progress.
        replaces: whether tables that are there are replaced.

    Raises:
        BackupError: the backup is not whole or of a newer release, the database is in use or has
            tables that `replaces` does not give up, or pg_restore failed or is missing.
        psycopg.Error: the server cannot be used.
    """
    show("hashing", 0.0)
    manifest = checked(dump)
    _require_known(manifest)
    server = server_of(config)
    with server.connect() as connection:
        _require_unused(connection)
        if tables(connection) and not replaces:
            raise BackupError(
                f"The database {server.database} has tables: restore into a new state directory"
                " (HARDLINE_HOME) or an empty database, or replace all of them with --replace."
            )
        with _set_aside(connection):
            load(server, dump, manifest, show)
    return manifest


def _require_known(manifest: Manifest) -> None:
    """Verify that this release has every migration of the backup.

    Raises:
        BackupError: a newer release made it.
    """
    known = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
    unknown = [each for each in manifest.migrations if each not in known]
    if unknown:
        raise BackupError(
            "A newer release made the backup: restore it with that one, or a later one. This one"
            f" does not know {', '.join(unknown)}."
        )


def _require_unused(connection: psycopg.Connection) -> None:
    """Verify that nobody else has a session: workers keep ids in memory that a restore changes.

    Raises:
        BackupError: somebody has one, also after a moment in which those that are ending end.
    """
    deadline = time.monotonic() + _END_SECONDS
    while users := [str(name) for (name,) in connection.execute(_SESSIONS)]:
        if time.monotonic() > deadline:
            raise BackupError(
                f"Others use the database ({', '.join(sorted(set(users)))}, {len(users)} sessions):"
                " stop every process of Hardline and the pooler, and restore again."
            )
        time.sleep(_LOOK_SECONDS)


@contextmanager
def _set_aside(connection: psycopg.Connection) -> Iterator[None]:
    """Keep the tables in another schema while the block runs; they come back if it fails.

    A process that is killed in between leaves them there, and the next restore finds them.
    """
    has_aside = connection.execute(
        "SELECT FROM pg_namespace WHERE nspname = %s", [ASIDE]
    ).fetchone()
    names = {"public": sql.Identifier(SCHEMA), "aside": sql.Identifier(ASIDE)}
    remove = sql.SQL("DROP SCHEMA {public} CASCADE").format(**names)
    keep = sql.SQL("ALTER SCHEMA {public} RENAME TO {aside}").format(**names)
    bring_back = sql.SQL("ALTER SCHEMA {aside} RENAME TO {public}").format(**names)
    forget = sql.SQL("DROP SCHEMA IF EXISTS {aside} CASCADE").format(**names)
    if not has_aside and not tables(connection):
        yield  # nothing to keep, and no right on the schema needed
        return
    with connection.transaction():
        if has_aside and not tables(connection):
            connection.execute(remove)
        else:
            connection.execute(forget)
            connection.execute(keep)
        connection.execute(sql.SQL("CREATE SCHEMA {public}").format(**names))
    try:
        yield
    except BaseException:
        with connection.transaction():
            connection.execute(remove)
            connection.execute(bring_back)
        raise
    connection.execute(forget)


_SESSIONS = """
SELECT coalesce(nullif(application_name, ''), usename) FROM pg_stat_activity
WHERE datname = current_database() AND usename IS NOT NULL AND pid <> pg_backend_pid()
"""
