"""The users of the private servers: processes that need them now, and requests to keep them."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

from betting.runtime.embedded.state import State, usable


@contextlib.contextmanager
def one_more(state: State) -> Iterator[None]:
    """Count as a user while the block runs; the kernel ends it whenever we die.

    Raises:
        EmbeddedError: the lock file cannot be created.
    """
    with usable(state.home):
        descriptor = _opened(state)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    try:
        yield
    finally:
        os.close(descriptor)


def any_of(state: State) -> bool:
    """Return True if a process uses the servers now."""
    with usable(state.home):
        descriptor = _opened(state)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def keep(state: State) -> None:
    """Note that the servers go on when nobody uses them."""
    with usable(state.home):
        state.kept_file.touch(mode=0o600)


def keep_no_longer(state: State) -> None:
    """Forget that the servers go on when nobody uses them."""
    state.kept_file.unlink(missing_ok=True)


def is_kept(state: State) -> bool:
    """Return True if the servers go on when nobody uses them."""
    return state.kept_file.exists()


def _opened(state: State) -> int:
    return os.open(state.users_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
