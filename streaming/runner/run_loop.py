"""A run from the start of its processes to their end, and what is done every second between."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent import futures
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from celery import current_app
from django.db import close_old_connections

from betting.config import Config
from betting.db.outages import OUTAGES
from betting.runtime.supervisor import Supervisor
from streaming.core.coalesce import CoalescePolicy
from streaming.runner.background import Background, Helper
from streaming.runner.backlog import Backlog, backlog
from streaming.runner.interrupts import Interrupts
from streaming.runner.outages import sentence, what_is_down
from streaming.runner.summary import Mark, RecentActivity
from streaming.runner.terminal import Terminal

#: A program that exits this often in a row will not recover by itself.
CRASH_LOOP_EXITS = 5
START_SECONDS = 60.0
#: Without any progress for this long, a run will not become idle.
PATIENCE_SECONDS = 60.0

T = TypeVar("T")

_TICK_SECONDS = 0.2
_SUMMARY_SECONDS = 1.0
_OLD_SECONDS = 5.0
_LONG_SECONDS = 3600.0
_PING_SECONDS = 0.5


class RunError(Exception):
    """The run cannot go on, or did not end as asked; the message says why."""


class InterruptedRunError(RunError):
    """A person, or the system, asked the run to stop."""


@dataclass(slots=True)
class PeriodicJob:
    """A job that a run repeats.

    Attributes:
        every_seconds: from one time to the next.
        action: the job; it may find PostgreSQL or Redis away. One that may wait for them is a
            `Background`.
        due_at: the next time, on the monotonic clock.
        is_failing: whether it failed the last time.
    """

    every_seconds: float
    action: Callable[[], None]
    due_at: float = 0.0
    is_failing: bool = False


class RunLoop:
    """The waiting of a run, which meanwhile restarts processes, runs jobs and informs people.

    Args:
        supervisor: the processes, started.
        interrupts: requests to stop.
        terminal: where exits and outages are shown.
        jobs: what is done meanwhile.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        interrupts: Interrupts,
        terminal: Terminal,
        *jobs: PeriodicJob,
    ) -> None:
        self._supervisor = supervisor
        self._interrupts = interrupts
        self._terminal = terminal
        self._jobs = [PeriodicJob(_TICK_SECONDS, self._tend), *jobs]
        self._helper = Helper()
        self._crash_loop = ""

    def wait(self, seconds: float) -> None:
        """Wait, or only do what is due when there is no time to wait.

        Raises:
            InterruptedRunError: the run is to stop.
        """
        deadline = time.monotonic() + seconds
        while True:
            self._run_what_is_due()
            remaining = deadline - time.monotonic()
            if self._interrupts.wait(min(remaining, _TICK_SECONDS)):
                raise InterruptedRunError("interrupted")
            if remaining <= _TICK_SECONDS:
                return

    def wait_for_ever(self) -> NoReturn:
        """Wait until the run is to stop.

        Raises:
            InterruptedRunError: the run is to stop.
        """
        while True:
            self.wait(_LONG_SECONDS)

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something that is about to happen.

        Raises:
            RunError: it does not.
        """
        deadline = time.monotonic() + START_SECONDS
        while not self.do(condition):
            self.require_no_crash_loop()
            if time.monotonic() > deadline:
                raise RunError(f"{what} did not come up in {START_SECONDS:.0f} s.")
            self.wait(_TICK_SECONDS)

    def do(self, action: Callable[[], T]) -> T:
        """Do something that may wait for a server, in a thread, while the processes are tended.

        Raises:
            InterruptedRunError: the run is to stop; the action is left to itself.
        """
        future = self._helper.submit(action)
        while not futures.wait([future], _TICK_SECONDS).done:
            self._run_what_is_due()
            if self._interrupts.is_requested:
                raise InterruptedRunError("interrupted")
        return future.result()

    def wait_until_idle(self, policy: CoalescePolicy) -> None:
        """Wait until everything is valued and nothing is on its way.

        Raises:
            RunError: a process keeps crashing, or nothing has moved for too long.
        """
        seen: tuple[Backlog, Mark] | None = None
        moved_at = time.monotonic()
        while True:
            self.require_no_crash_loop()
            with suppress(*OUTAGES):
                now = self.do(lambda: (backlog(policy), Mark.now()))
                if now[0].is_empty:
                    return
                if now != seen:
                    seen, moved_at = now, time.monotonic()
            if time.monotonic() > moved_at + PATIENCE_SECONDS:
                left = seen[0] if seen else "PostgreSQL or Redis is away"
                raise RunError(f"Nothing has moved for {PATIENCE_SECONDS:.0f} s: {left}.")
            self.wait(_TICK_SECONDS)

    def require_no_crash_loop(self) -> None:
        """Verify that every process runs, or may yet.

        Raises:
            RunError: one exits again and again.
        """
        if self._crash_loop:
            raise RunError(self._crash_loop)

    def _run_what_is_due(self) -> None:
        now = time.monotonic()
        for job in self._jobs:
            if now >= job.due_at:
                job.due_at = now + job.every_seconds
                self._run(job)

    def _run(self, job: PeriodicJob) -> None:
        try:
            job.action()
        except OUTAGES as error:
            if not job.is_failing:
                self._terminal.say(sentence(error))
            job.is_failing = True
            close_old_connections()
        else:
            job.is_failing = False

    def _tend(self) -> None:
        for end in self._supervisor.tend():
            self._terminal.say(
                f"{end.name} exited with status {end.status}; starting it again in"
                f" {end.wait_seconds:.0f} s. Its log: {end.log}"
            )
            if end.in_a_row >= CRASH_LOOP_EXITS:
                self._crash_loop = f"{end.name} exits again and again. Its log: {end.log}"


def showing_activity(terminal: Terminal, config: Config) -> PeriodicJob:
    """Return the job that shows what is down, and the rates of the pipeline.

    They are read in the background; a line that no newer one has replaced shows its age.
    """
    activity = RecentActivity()
    newest = ("starting", time.monotonic())

    def read() -> None:
        nonlocal newest
        newest = (activity_line(activity, config), time.monotonic())

    reading = Background(read)

    def show() -> None:
        try:
            reading()
        except OUTAGES as error:
            # Otherwise the rates of a moment ago would look like those of now.
            terminal.summarise(sentence(error))
            raise
        line, read_at = newest
        age_seconds = time.monotonic() - read_at
        is_old = age_seconds > _OLD_SECONDS
        terminal.summarise(f"no answer for {age_seconds:.0f} s; before: {line}" if is_old else line)

    return PeriodicJob(_SUMMARY_SECONDS, show)


def activity_line(activity: RecentActivity, config: Config) -> str:
    """Return what is down, and the rates of the pipeline, in a line."""
    return " · ".join([*what_is_down(config), activity.line()])


def workers_answer(nodes: list[str]) -> bool:
    """Return True if all of these workers answer."""
    try:
        answers = current_app.control.ping(destination=nodes, timeout=_PING_SECONDS)
    except OUTAGES:
        return False
    return len(answers or []) == len(nodes)
