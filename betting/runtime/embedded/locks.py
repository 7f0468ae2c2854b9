"""Locks between processes, which the kernel releases whenever their holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

from betting.runtime.embedded.directories import SYSTEM_STATE, owned_directory
from betting.runtime.embedded.errors import EmbeddedError


@contextlib.contextmanager
def system_lock() -> Iterator[None]:
    """Hold the machine-wide lock under which root's installations create what they share."""
    owned_directory(SYSTEM_STATE, os.geteuid(), os.getegid(), 0o755)
    path = SYSTEM_STATE / "system.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise EmbeddedError(f"The lock {path} cannot be used: {error.strerror}.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
