"""The manifest of a backup: what the file has to hold, written beside it."""

from __future__ import annotations

import hashlib
import os
from datetime import datetime
from pathlib import Path

import msgspec

from betting.runtime.backup.errors import BackupError

SUFFIX = ".json"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of a backup, as one snapshot of the database had them.

    Attributes:
        made_at: when the snapshot was taken, by the database's clock.
        postgres: the server's major version.
        bytes: the size of the dump.
        sha256: its hash.
        migrations: those that had been applied, as `app.name`.
        rows: the number of rows of each table.
    """

    made_at: datetime
    postgres: int
    bytes: int
    sha256: str
    migrations: list[str]
    rows: dict[str, int]


def manifest_file(dump: Path) -> Path:
    """Return the manifest's path.

    >>> manifest_file(Path("/srv/odds.dump")).name
    'odds.dump.json'
    """
    return dump.with_name(f"{dump.name}{SUFFIX}")


def write(manifest: Manifest, path: Path) -> None:
    """Write a manifest, and wait until it is on the disk."""
    text = msgspec.json.format(msgspec.json.encode(manifest))
    with path.open("xb") as file:
        path.chmod(0o600)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def checked(dump: Path) -> Manifest:
    """Return the manifest of a dump, which has the manifest's size and hash.

    Raises:
        BackupError: one of the two is not there, or they do not belong together.
    """
    path = manifest_file(dump)
    for each in (dump, path):
        if not each.is_file():
            raise BackupError(f"{each} is missing: a backup is a dump and its manifest.")
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except msgspec.DecodeError as error:
        raise BackupError(f"{path} is no manifest: {error}") from error
    if (size_of(dump), hash_of(dump)) != (manifest.bytes, manifest.sha256):
        raise BackupError(f"{dump} is not the dump of its manifest: it was cut short or changed.")
    return manifest


def size_of(path: Path) -> int:
    """Return a file's size in bytes."""
    return path.stat().st_size


def hash_of(path: Path) -> str:
    """Return a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
