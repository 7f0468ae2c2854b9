"""Backups of the database: one file of pg_dump with a manifest beside it.

The same for the private server and for DATABASE_URL. See docs/adr/0061-backups-are-pg-dumps.md.
"""

from __future__ import annotations

from betting.runtime.backup.creation import create
from betting.runtime.backup.errors import BackupError
from betting.runtime.backup.manifest import Manifest
from betting.runtime.backup.restoration import restore
from betting.runtime.backup.verification import verify

__all__ = ["BackupError", "Manifest", "create", "restore", "verify"]
