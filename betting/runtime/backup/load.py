"""A dump's way into a database, which both verifying and restoring take."""

from __future__ import annotations

from pathlib import Path

from betting.runtime.backup.contents import SCHEMA, row_counts
from betting.runtime.backup.errors import BackupError
from betting.runtime.backup.manifest import Manifest
from betting.runtime.backup.progress import Show, TableProgress
from betting.runtime.backup.server import Server, client_programs, major_version


def load(server: Server, dump: Path, manifest: Manifest, show: Show) -> None:
    """Fill a database without tables, in one transaction, and compare it with the manifest.

    Raises:
        BackupError: pg_restore failed or is missing, or the rows are not those of the manifest.
        psycopg.Error: the server cannot be used.
    """
    with server.connect() as connection:
        version = major_version(connection)
        if version < manifest.postgres:
            raise BackupError(
                f"The backup is of PostgreSQL {manifest.postgres}, and this server is {version}."
            )
        server.run(
            client_programs(version) / "pg_restore",
            [
                f"--schema={SCHEMA}",
                "--single-transaction",
                "--exit-on-error",
                "--no-owner",
                "--no-privileges",
                "--verbose",
                str(dump.resolve()),
            ],
            TableProgress(manifest.rows, "restoring", show).on_line,
        )
        found = row_counts(connection, lambda name: show(f"counting {name}", 1.0))
        show("analysing", 1.0)
        connection.execute("ANALYZE")  # a dump has no statistics, by which statements are planned
    if found != manifest.rows:
        names = sorted({name for name, _ in found.items() ^ manifest.rows.items()})
        raise BackupError(f"Tables have other rows than the manifest says: {', '.join(names)}.")
