"""Queues and processes of a run and its private servers, sampled while it runs."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import psutil

from betting.config import Config
from betting.db.clock import database_now
from betting.runtime import embedded
from streaming.benchmark.capture import Sample, Window, gather
from streaming.core.baseline import Baseline, Usage
from streaming.runner.backlog import backlog

_KEEPER = "process_wrapper.py"


class Vitals:
    """The measurement of a window that begins when this object is created.

    Args:
        config: the configuration of the run and its servers.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._since = database_now()
        self._samples: list[Sample] = []

    def sample(self) -> None:
        """Look at the queues and the processes.

        Raises:
            django.db.Error, redis.RedisError, kombu.exceptions.OperationalError: one is away.
        """
        left = backlog(self._config.coalesce)
        self._samples.append(
            Sample(
                left.stale_markets,
                left.buffered_markets,
                left.queued_messages,
                left.unacknowledged_messages,
                program_usages(self._config),
            )
        )

    def baseline(self, *, overdue_after_ms: int, label: str) -> Baseline:
        """Return what has been measured so far."""
        window = Window(self._since, database_now())
        return gather(window, self._samples, overdue_after_ms=overdue_after_ms, label=label)


def program_usages(config: Config) -> dict[str, dict[int, Usage]]:
    """Return program → usage, of this state directory's run, if any, and private servers."""
    roots = {server.name: server.pid for server in embedded.status(config) if server.pid}
    runner = _runner(config.home)
    if runner is None:
        return {name: _usages(_family(pid)) for name, pid in roots.items()}
    roots |= _kept(runner)
    return {
        "run": _usages([runner]),
        **{name: _usages(_family(pid)) for name, pid in roots.items()},
    }


def _runner(home: Path) -> psutil.Process | None:
    """Return the process that holds the lock of a run; None if there is none.

    A run that died leaves its process id in the file.
    """
    try:
        return psutil.Process(int((home / "run.lock").read_text(encoding="ascii")))
    except (OSError, ValueError, psutil.NoSuchProcess):
        return None


def _kept(runner: psutil.Process) -> dict[str, int]:
    """Return each program's name and the process id of the wrapper around it.

    The argument after the wrapper's script is the program's log, which has its name.
    """
    kept = {}
    with suppress(psutil.Error):
        for child in runner.children():
            with suppress(psutil.Error):
                command = child.cmdline()
                for script, log in pairwise(command):
                    if Path(script).name == _KEEPER:
                        kept[Path(log).stem] = child.pid
    return kept


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
            times = process.cpu_times()
            found[process.pid] = Usage(
                process.create_time(), process.memory_info().rss, times.user + times.system
            )
    return found
