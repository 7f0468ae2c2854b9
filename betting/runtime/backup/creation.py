"""`manage.py backup create`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import psycopg
from psycopg import IsolationLevel, sql

from betting.config import Config
from betting.runtime.backup.contents import (
    SCHEMA,
    applied_migrations,
    partitioned_tables,
    row_counts,
    tables,
)
from betting.runtime.backup.errors import BackupError
from betting.runtime.backup.manifest import Manifest, hash_of, manifest_file, size_of, write
from betting.runtime.backup.progress import Show, TableProgress
from betting.runtime.backup.server import client_programs, major_version, server_of

MIGRATIONS = "django_migrations"
LOCK_TIMEOUT = "10s"
"""Migrations hold locks that a dump waits for."""


def create(config: Config, file: Path, show: Show) -> Manifest:
    """Dump the database into a file, with a manifest beside it.

    The stream goes on meanwhile: both are of one snapshot, which waits for nobody. The file is
    there once it is whole, and not before.

    Args:
        config: names the server.
        file: the new file.
        show: shows the progress.

    Raises:
        BackupError: the file exists, there is nothing to dump, or pg_dump failed or is missing.
        psycopg.Error: the server cannot be used.
        OSError: the file cannot be written.
    """
    for path in (file, manifest_file(file)):
        if path.exists():
            raise BackupError(f"{path} exists already: name another file.")
    server = server_of(config)
    with server.connect(autocommit=False) as connection, _draft(file) as (draft, descriptor):
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        program = client_programs(major_version(connection)) / "pg_dump"
        if MIGRATIONS not in tables(connection):
            raise BackupError(f"The database {server.database} has no tables of Hardline.")
        _keep_partitions(connection)
        snapshot, made_at = _snapshot(connection)
        rows = row_counts(connection, lambda name: show(f"counting {name}", 0.0))
        migrations = applied_migrations(connection)
        server.run(
            program,
            [
                "--format=custom",
                "--no-owner",
                "--no-privileges",
                f"--schema={SCHEMA}",
                f"--snapshot={snapshot}",
                f"--lock-wait-timeout={LOCK_TIMEOUT}",
                "--verbose",
            ],
            TableProgress(rows, "dumping", show).on_line,
            descriptor,
        )
        show("hashing", 1.0)
        os.fsync(descriptor)
        manifest = Manifest(
            made_at=made_at,
            postgres=major_version(connection),
            bytes=size_of(draft),
            sha256=hash_of(draft),
            migrations=migrations,
            rows=rows,
        )
        write(manifest, manifest_file(file))  # first: a dump always has one
        draft.rename(file)
    _sync(file.parent)
    return manifest


def _keep_partitions(connection: psycopg.Connection) -> None:
    """Begin a transaction in which no partition is dropped; its snapshot comes afterwards.

    A partition that is dropped after the snapshot would be in it, and not to be read any more.
    """
    names = partitioned_tables(connection)
    connection.rollback()
    connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(LOCK_TIMEOUT))
    for name in names:
        lock = sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE")
        connection.execute(lock.format(sql.Identifier(SCHEMA, name)))


def _snapshot(connection: psycopg.Connection) -> tuple[str, datetime]:
    """Return the name of the transaction's snapshot, for pg_dump, and its time."""
    row = connection.execute("SELECT pg_export_snapshot(), transaction_timestamp()").fetchone()
    assert row is not None
    return row[0], row[1]


@contextmanager
def _draft(file: Path) -> Iterator[tuple[Path, int]]:
    """Make a file beside another, readable by its owner alone; remove it if it is not renamed."""
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    draft = Path(name)
    try:
        yield draft, descriptor
    except BaseException:
        manifest_file(file).unlink(missing_ok=True)  # there was none before
        raise
    finally:
        os.close(descriptor)
        draft.unlink(missing_ok=True)


def _sync(directory: Path) -> None:
    """Wait until the names of a directory's files are on the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
