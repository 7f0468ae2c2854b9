"""The memory and CPU time of a run's processes and its private servers, at one moment."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import psutil

from betting.config import Config
from betting.runtime import embedded
from streaming.benchmark.aggregates import Usage

_WRAPPER = "process_wrapper.py"


def program_usages(config: Config) -> dict[str, dict[int, Usage]]:
    """Return program → usage, of this state directory's run, if any, and private servers."""
    runner = _runner(config.home)
    roots = {server.name: server.pid for server in embedded.status(config) if server.pid}
    roots |= _wrapped(runner) if runner else {}
    usages = {name: _usages(_family(pid)) for name, pid in roots.items()}
    return {"run": _usages([runner]), **usages} if runner else usages


def family_usages(pids: Iterable[int]) -> dict[int, Usage]:
    """Return the usage of some processes and all their descendants that still run."""
    return {pid: usage for root in pids for pid, usage in _usages(_family(root)).items()}


def _runner(home: Path) -> psutil.Process | None:
    """Return the process that holds the lock of a run; None if there is none.

    A run that died leaves its process id in the file.
    """
    try:
        return psutil.Process(int((home / "run.lock").read_text(encoding="ascii")))
    except (OSError, ValueError, psutil.NoSuchProcess):
        return None


def _wrapped(runner: psutil.Process) -> dict[str, int]:
    """Return each program's name and the process id of the wrapper around it.

    The argument after the wrapper's script is the program's log, which has its name.
    """
    wrapped = {}
    with suppress(psutil.Error):
        for child in runner.children():
            with suppress(psutil.Error):
                command = child.cmdline()
                for script, log in pairwise(command):
                    if Path(script).name == _WRAPPER:
                        wrapped[Path(log).stem] = child.pid
    return wrapped


def _family(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants that still run; empty if it has ended."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def _usages(processes: Iterable[psutil.Process]) -> dict[int, Usage]:
    found = {}
    for process in processes:
        with suppress(psutil.Error), process.oneshot():  # it may have ended
            memory = process.memory_info()
            found[process.pid] = Usage(
                process.create_time(),
                memory.rss,
                memory.rss - getattr(memory, "shared", 0),  # by Linux alone
                _cpu_seconds(process),
            )
    return found


def _cpu_seconds(process: psutil.Process) -> float:
    """Return a process's CPU time; only its own does a process know below a tick of 10 ms."""
    if process.pid == os.getpid():
        return time.process_time()
    times = process.cpu_times()
    return float(times.user + times.system)
