"""The clocks of workers, which libfaketime sets ahead or behind.

A worker whose program has `environ` reads the difference from a file of its own, once a second. The
monotonic clock stays as it is: it counts what all processes share. Where libfaketime is not
installed (Debian's package of that name), clocks cannot be set.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil

WORKERS = ("worker-io", "worker-value", "worker-major")
"""The workers whose clocks can be set: those that judge prices by time."""

_RIGHT = "+0"
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where libfaketime puts its own files
_BEGINNING = "CHAOS_MONOTONIC_BEGINNING"
"""Names the variable with the time at which the monotonic clock was at zero."""
_LIBRARIES = ("lib*/faketime/libfaketimeMT.so.1", "lib*/*/faketime/libfaketimeMT.so.1")


def library() -> Path | None:
    """Return libfaketime's file, if it is installed."""
    return next((file for each in _LIBRARIES for file in Path("/usr").glob(each)), None)


def environ(home: Path, worker: str) -> Mapping[str, str]:
    """Return the variables by which a worker's clock can be set; none without libfaketime.

    Args:
        home: the state directory, which keeps the file of differences.
        worker: the name of its program.
    """
    found = library()
    if found is None or worker not in WORKERS:
        return {}
    file = _difference(home, worker)
    if not file.exists():  # a supervisor that starts again must not set a clock right
        file.write_text(_RIGHT)
    return {
        _BEGINNING: repr(time.time() - time.monotonic()),
        "LD_PRELOAD": str(found),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


def now() -> datetime:
    """Return the time, in a worker whose clock may be wrong."""
    beginning = os.environ.get(_BEGINNING)
    seconds = time.time() if beginning is None else float(beginning) + time.monotonic()
    return datetime.fromtimestamp(seconds, UTC)


@contextmanager
def shifted(home: Path, worker: str, seconds: int) -> Iterator[None]:
    """Set a worker's clock ahead, or behind by a negative number, while the block runs."""
    file = _difference(home, worker)
    file.write_text(f"{seconds:+d}s")
    try:
        yield
    finally:
        file.write_text(_RIGHT)


def remove_leftovers(memory: Path = _SHARED_MEMORY) -> None:
    """Remove what libfaketime has left in shared memory of processes that were killed.

    Args:
        memory: the directory of shared memory; its files end with the process's id.
    """
    for file in memory.glob("*faketime_s*_*"):
        pid = file.name.rpartition("_")[2]
        with suppress(OSError):
            if pid.isdigit() and not psutil.pid_exists(int(pid)):
                file.unlink()


def _difference(home: Path, worker: str) -> Path:
    return home / f"chaos-clock-{worker}"
