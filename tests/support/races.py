"""Two real connections, of which one is stopped before a statement while the other one works."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
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


class Racer(threading.Thread):
    """A thread that does some work on a connection of its own."""

    def __init__(self, work: Work, steps: Steps | None = None) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._steps = steps
        self.error: Exception | None = None

    def run(self) -> None:
        with closing(connection):
            connection.ensure_connection()
            _steps.of_thread = self._steps
            try:
                self._work()
            except Exception as error:  # noqa: BLE001 - raised by `race`
                self.error = error
            finally:
                _steps.of_thread = None


def race(first: Work, second: Work, stop_at: int) -> bool:
    """Stop the first before a step, let the second end or wait for a lock, and let the first go on.

    Returns:
        Whether the first has so many steps: False ends a loop over them.
    """
    steps = Steps(stop_at)
    stopped, other = Racer(first, steps), Racer(second)
    with stepping():
        stopped.start()
        while stopped.is_alive() and not steps.has_stopped.wait(_LOOK_SECONDS):
            pass
        other.start()
        while other.is_alive() and not (steps.has_stopped.is_set() and _waits_for_a_lock()):
            other.join(_LOOK_SECONDS)
        steps.may_go_on.set()
        for racer in (stopped, other):
            racer.join(WAIT_SECONDS)
            assert not racer.is_alive()
            if racer.error is not None:
                raise racer.error
    return steps.has_stopped.is_set()


def _waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_WAITS_FOR_A_LOCK)
        (is_waiting,) = cursor.fetchone()
        return bool(is_waiting)
