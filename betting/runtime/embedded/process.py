"""The processes of our servers, and how others with the same id are kept apart."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

POLL_SECONDS = 0.02


def pid_in_file(path: Path) -> int | None:
    """Read the process id on a pid file's first line; None if there is none."""
    try:
        return int(path.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def serving(pid: int | None, program: str, directory: Path) -> psutil.Process | None:
    """Return the process if it is that program and works in that directory, else None.

    A pid file survives a crash, and another process may soon have its id.
    """
    if pid is None or not psutil.pid_exists(pid):
        return None
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return process if _is_serving(process, program, directory) else None
    return None


def all_serving(program: str, directory: Path) -> list[psutil.Process]:
    """Return every process of that program that works in that directory."""
    return [
        process for process in psutil.process_iter() if _is_serving(process, program, directory)
    ]


def end(processes: Sequence[psutil.Process], patience_seconds: float) -> None:
    """Ask processes to end, and kill those that have not after `patience_seconds`."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    resume(processes)
    if not wait_until(lambda: not any(map(is_alive, processes)), patience_seconds):
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        wait_until(lambda: not any(map(is_alive, processes)), patience_seconds)


def resume(processes: Sequence[psutil.Process]) -> None:
    """Let processes go on that were stopped by a signal: a stopped one ends at no request."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()


def is_alive(process: psutil.Process) -> bool:
    """Return True if the process runs; a zombie does not."""
    try:
        return process.is_running() and bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def wait_until(condition: Callable[[], bool], timeout_seconds: float) -> bool:
    """Wait for a condition; return whether it came true in time."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _is_serving(process: psutil.Process, program: str, directory: Path) -> bool:
    try:
        return (
            process.name() == program
            and is_alive(process)
            and Path(process.cwd()) == directory.resolve()
        )
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False  # a process that we may not inspect is not ours
