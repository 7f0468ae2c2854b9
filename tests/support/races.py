"""Two real connections, of which one is stopped before a statement while the other one works."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import psycopg
from django.db import connection

WAIT_SECONDS = 20.0
_LOOK_SECONDS = 0.005

Work = Callable[[], object]

_WAITS_FOR_A_LOCK = """
SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)
"""


class Steps:
    """The statements and commits of one thread, which stops before one of them.

    Args:
        stop_at: before how many, counted from 0.
    """

    def __init__(self, stop_at: int) -> None:
        self._left = stop_at
        self.has_stopped = threading.Event()
        self.may_go_on = threading.Event()

    def step(self) -> None:
        """Stop here if it is the place."""
        if self._left == 0:
            self.has_stopped.set()
            assert self.may_go_on.wait(WAIT_SECONDS)
        self._left -= 1


_steps = threading.local()


@contextmanager
def stepping() -> Iterator[None]:
    """Have each statement and each commit of a thread with `Steps` be a step."""

    def with_step(function: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*args: Any, **kwargs: Any) -> Any:
            steps: Steps | None = getattr(_steps, "of_thread", None)
            if steps is not None:
                steps.step()
            return function(*args, **kwargs)

        return stepped

    with (
        patch.object(psycopg.Cursor, "execute", with_step(psycopg.Cursor.execute)),
        patch.object(psycopg.Connection, "commit", with_step(psycopg.Connection.commit)),
    ):
        yield


class Racers:
    """Two threads, each with a connection of its own, that go on from race to race."""

    def __init__(self) -> None:
        self._stopped, self._other = (ThreadPoolExecutor(1) for _ in range(2))

    def race(self, first: Work, second: Work, stop_at: int) -> bool:
        """Stop the first before a step until the second has ended or waits for a lock.

        Returns:
            Whether the first has so many steps: False ends a loop over them.
        """
        steps = Steps(stop_at)
        with stepping():
            stopped = self._stopped.submit(_run, first, steps)
            while not (stopped.done() or steps.has_stopped.wait(_LOOK_SECONDS)):
                pass
            other = self._other.submit(_run, second)
            while not (steps.has_stopped.is_set() and _waits_for_a_lock()):
                if wait([other], _LOOK_SECONDS).done:
                    break
            steps.may_go_on.set()
            for racer in (stopped, other):
                racer.result(WAIT_SECONDS)
        return steps.has_stopped.is_set()

    def close(self) -> None:
        """End the threads with their connections."""
        for racer in (self._stopped, self._other):
            racer.submit(_disconnect).result()
            racer.shutdown()


@contextmanager
def racers() -> Iterator[Racers]:
    """Racers for the block."""
    racers = Racers()
    try:
        yield racers
    finally:
        racers.close()


def _run(work: Work, steps: Steps | None = None) -> None:
    """Do some work on the connection of this thread."""
    connection.ensure_connection()
    _steps.of_thread = steps
    try:
        work()
    finally:
        _steps.of_thread = None


def _disconnect() -> None:
    connection.close()


def _waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_WAITS_FOR_A_LOCK)
        (is_waiting,) = cursor.fetchone()
        return bool(is_waiting)
