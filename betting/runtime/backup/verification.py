"""`manage.py backup verify`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from betting.config import Config
from betting.runtime.backup.errors import BackupError
from betting.runtime.backup.load import load
from betting.runtime.backup.manifest import Manifest, checked
from betting.runtime.backup.progress import Show
from betting.runtime.backup.server import Server, server_of
from betting.runtime.supervisor import single_instance

PREFIX = "hardline_verify_"


def verify(config: Config, dump: Path, show: Show) -> Manifest:
    """Restore a backup into a database of its own, compare it, and remove the database.

    Raises:
        BackupError: the backup is not whole, or no database can be made.
        AlreadyRunningError: another process of this home verifies one.
        psycopg.Error: the server cannot be used.
    """
    show("hashing", 0.0)
    manifest = checked(dump)
    with single_instance(config.home / "verify.lock"):
        digest = hashlib.sha256(os.fsencode(config.home)).hexdigest()[:8]
        with _database(server_of(config), f"{PREFIX}{digest}") as server:
            load(server, dump, manifest, show)
    return manifest


@contextmanager
def _database(server: Server, name: str) -> Iterator[Server]:
    """Make a database, and remove it at the end; first the one that a killed process has left."""
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    make = sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))
    with server.connect() as connection:
        try:
            connection.execute(drop)
            connection.execute(make)
        except psycopg.errors.InsufficientPrivilege as error:
            raise BackupError(
                "The role may not create a database, which verifying needs. With DATABASE_URL set"
                " to nothing the backup is restored into a private server instead."
            ) from error
        try:
            yield server.with_database(name)
        finally:
            connection.execute(drop)
