"""A small disk that can be filled: a file system in memory, which needs the right to mount it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from betting.runtime.embedded.account import server_account

_ROOT = 0
_BALLAST = "ballast"
_CHUNK = bytes(1 << 12)


@contextmanager
def small_disk(directory: Path, size: int) -> Iterator[bool]:
    """Mount a disk of some bytes at a directory, which PostgreSQL may use, while the block runs.

    Yields:
        False if this user may not mount one; there is no disk then.
    """
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() != _ROOT or mount is None or umount is None:
        yield False
        return
    account = server_account()
    options = f"size={size},mode=700,uid={account.uid},gid={account.gid}"
    directory.mkdir()
    try:
        yield _does([mount, "-t", "tmpfs", "-o", options, "tmpfs", str(directory)])
    finally:
        # Lazily: a session of a killed worker may still have a file of it open.
        _does([umount, "--lazy", str(directory)])
        directory.rmdir()


def _does(command: list[str]) -> bool:
    done = subprocess.run(command, check=False, capture_output=True)  # noqa: S603 - no text of others
    return done.returncode == 0


@contextmanager
def full(directory: Path) -> Iterator[None]:
    """Leave no byte on a disk while the block runs."""
    ballast = directory / _BALLAST
    try:
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(_CHUNK)
        yield
    finally:
        ballast.unlink(missing_ok=True)
