"""A supervisor of programs: it starts them, restarts one that exits, and stops them all.

Each program runs under a wrapper (`betting.runtime.process_wrapper`) in a session of its own. So a
Ctrl-C on the terminal reaches the supervisor alone, a program is ended together with everything it
started, and no program outlives the supervisor, even if that is killed.

The supervisor has no threads: its owner calls `tend` about every second.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import psutil

from betting.runtime.embedded import process

_KEEPER = Path(__file__).with_name("process_wrapper.py")
_POLL_SECONDS = 0.02


MARK = "SUPERVISED_BY_HARDLINE"
"""The variable that all programs of a supervisor have, and all that those start: its logs."""


NOT_STARTED = 126
"""The status of a program whose wrapper cannot be started, as a shell has it."""


class AlreadyRunningError(Exception):
    """Another process holds the lock; the message names it."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program to run.

    Attributes:
        name: unique among the programs; names the log.
        command: program and arguments; secrets go into `environ`, which other users cannot read.
        directory: where it runs.
        environ: variables on top of the supervisor's own.
    """

    name: str
    command: Sequence[str]
    directory: Path
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class SupervisionPolicy:
    """The supervisor's waits and limits.

    Attributes:
        restart_seconds: the wait before a program that exited is started again.
        max_restart_seconds: that wait doubles with each exit in a row, up to this.
        steady_seconds: a program that ran for this long starts from the first wait again.
        stop_seconds: the time from asking a stage to end to killing what is left of it.
        log_bytes: the size of a log; there is one older file of that size too.
    """

    restart_seconds: float = 1.0
    max_restart_seconds: float = 30.0
    steady_seconds: float = 30.0
    stop_seconds: float = 20.0
    log_bytes: int = 5_000_000

    def wait_seconds(self, exits_in_a_row: int) -> float:
        """Return the wait before the next start, in seconds.

        >>> [SupervisionPolicy().wait_seconds(exits) for exits in (1, 2, 3, 4, 5, 6, 2000)]
        [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
        """
        doublings = min(exits_in_a_row - 1, 32)
        return min(self.restart_seconds * 2.0**doublings, self.max_restart_seconds)


@dataclass(frozen=True, slots=True)
class Exit:
    """A program that ended by itself.

    Attributes:
        name: the program.
        status: its exit status; 128 + the signal's number when a signal ended it.
        in_a_row: exits of this program since it last ran for `steady_seconds`, this one included.
        wait_seconds: the time until it is started again.
        log: where it wrote its output.
    """

    name: str
    status: int
    in_a_row: int
    wait_seconds: float
    log: Path


class Supervisor:
    """The supervisor: it keeps programs running.

    Args:
        stages: groups of programs that are started and stopped together. Stages are started in
            order and stopped in reverse order, each once the one before it has ended.
        logs: the directory of the programs' logs; created if missing.
        policy: waits and bounds.
    """

    def __init__(
        self,
        stages: Sequence[Sequence[Program]],
        logs: Path,
        policy: SupervisionPolicy | None = None,
    ) -> None:
        self._policy = policy or SupervisionPolicy()
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._stages = [[_Supervised(program, logs, self._policy) for program in s] for s in stages]

    def start(self) -> None:
        """Start every program."""
        for each in self._programs():
            each.start()

    def tend(self) -> list[Exit]:
        """Return the programs that exited, and restart those that are due; do not block."""
        now = time.monotonic()
        return [end for each in self._programs() if (end := each.tend(now)) is not None]

    def stop(self, is_hurried: Callable[[], bool] = lambda: False) -> list[str]:
        """Stop every program.

        Args:
            is_hurried: called while waiting; True kills at once what still runs.

        Returns:
            The programs that had to be killed.
        """
        return [name for stage in reversed(self._stages) for name in self._stop(stage, is_hurried)]

    def pids(self) -> dict[str, int]:
        """Name → process id of the wrapper, which is also the process group, of what runs now."""
        return {each.program.name: each.pid for each in self._programs() if each.pid is not None}

    def starts(self) -> dict[str, int]:
        """Name → how often the program was started."""
        return {each.program.name: each.starts for each in self._programs()}

    def _programs(self) -> Iterator[_Supervised]:
        return chain.from_iterable(self._stages)

    def _stop(self, stage: Sequence[_Supervised], is_hurried: Callable[[], bool]) -> list[str]:
        deadline = time.monotonic() + self._policy.stop_seconds
        for each in reversed(stage):
            each.terminate()
        while (
            any(each.is_running for each in stage)
            and time.monotonic() < deadline
            and not is_hurried()
        ):
            time.sleep(_POLL_SECONDS)
        killed = [each.program.name for each in stage if each.is_running]
        for each in stage:
            each.end()
        return killed


class _Supervised:
    """One program, its wrapper, and when to start it again."""

    def __init__(self, program: Program, logs: Path, policy: SupervisionPolicy) -> None:
        self.program = program
        self.starts = 0
        self._log = logs / f"{program.name}.log"
        self._policy = policy
        self._keeper: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._start_at = 0.0
        self._exits_in_a_row = 0

    @property
    def pid(self) -> int | None:
        return self._keeper.pid if self._keeper else None

    @property
    def is_running(self) -> bool:
        # Look without reaping: until the process is reaped no other one can have its id, so that
        # `end` kills the right group.
        return (
            self._keeper is not None
            and psutil.Process(self._keeper.pid).status() != psutil.STATUS_ZOMBIE
        )

    def start(self) -> None:
        bounds = [str(self._policy.log_bytes), str(self._policy.stop_seconds)]
        self._started_at = time.monotonic()
        self.starts += 1
        self._keeper = subprocess.Popen(  # noqa: S603 - the owner's own commands
            [sys.executable, "-I", "-S", _KEEPER, self._log, *bounds, *self.program.command],
            cwd=self.program.directory,
            env={**os.environ, **self.program.environ, MARK: _mark(self._log.parent)},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def tend(self, now: float) -> Exit | None:
        if self._keeper is None:
            if now < self._start_at:
                return None
            try:
                self.start()
            except OSError:  # no memory, or no process more, at the moment
                return self._ended(now, NOT_STARTED)
            return None
        return None if self.is_running else self._ended(now, self.end())

    def _ended(self, now: float, status: int) -> Exit:
        if now - self._started_at >= self._policy.steady_seconds:
            self._exits_in_a_row = 0
        self._exits_in_a_row += 1
        wait_seconds = self._policy.wait_seconds(self._exits_in_a_row)
        self._start_at = now + wait_seconds
        return Exit(self.program.name, status, self._exits_in_a_row, wait_seconds, self._log)

    def terminate(self) -> None:
        if self._keeper is not None:
            # Not `Popen.terminate`, which reaps a process that has ended.
            os.kill(self._keeper.pid, signal.SIGTERM)

    def end(self) -> int:
        """Kill what is left of the group, and reap its leader."""
        if self._keeper is None:
            return 0
        with contextlib.suppress(ProcessLookupError, PermissionError):
            # macOS raises PermissionError for a group in which only zombies are left.
            os.killpg(self._keeper.pid, signal.SIGKILL)
        status = self._keeper.wait()
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper = None
        return status if status >= 0 else 128 - status


def end_leftovers(logs: Path, patience_seconds: float) -> None:
    """End what a supervisor with these logs has left; the caller is the only one that uses them.

    A wrapper ends its program when the supervisor dies. One that is killed with it cannot.
    """
    process.end(leftovers(logs), patience_seconds)


def leftovers(logs: Path) -> list[psutil.Process]:
    """Return the processes that a supervisor with these logs has started, other than this one."""
    mark, own = _mark(logs), os.getpid()
    return [each for each in psutil.process_iter() if each.pid != own and _has(each, mark)]


def _mark(logs: Path) -> str:
    return str(logs.resolve())


def _has(candidate: psutil.Process, mark: str) -> bool:
    try:
        return candidate.environ().get(MARK) == mark
    except (psutil.Error, OSError):
        return False  # a process that we may not inspect is not ours


@contextlib.contextmanager
def single_instance(lock: Path) -> Iterator[None]:
    """Hold a lock file while the block runs; the kernel releases it whenever we die.

    Raises:
        AlreadyRunningError: another process holds it.
    """
    with lock.open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise AlreadyRunningError(f"process {file.read().strip() or '?'}") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
