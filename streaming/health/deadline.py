"""Deadlines for calls that the library below cannot time out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from django.db import connection

T = TypeVar("T")

MAX_WAITING = 4
"""The most threads of a process that may wait for a server which has stopped answering."""

_places = threading.BoundedSemaphore(MAX_WAITING)


class DeadlineError(Exception):
    """The answer did not come in time."""


class _Attempt(threading.Thread, Generic[T]):
    """One call in a thread, on a database connection of its own that ends with it."""

    def __init__(self, action: Callable[[], T]) -> None:
        super().__init__(name="health", daemon=True)
        self._action = action
        self.result: T | None = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.result = self._action()
        except Exception as error:  # noqa: BLE001 - raised again by `within`
            self.error = error
        finally:
            connection.close()
            _places.release()


def within(seconds: float, action: Callable[[], T]) -> T:
    """Call something that uses the database, and wait for it no longer than this.

    A PostgreSQL that is stopped in the middle, or cut off, lets a query hang for ever, regardless
    of its own timeouts. The thread that hangs is left to itself; there are `MAX_WAITING` at most.

    Raises:
        DeadlineError: it took longer, or as many as may are still waiting.
    """
    if not _places.acquire(blocking=False):
        raise DeadlineError("does not answer; earlier questions still wait")
    attempt = _Attempt(action)
    attempt.start()
    attempt.join(seconds)
    if attempt.is_alive():
        raise DeadlineError(f"no answer within {seconds:g} s")
    if attempt.error is not None:
        raise attempt.error
    return attempt.result  # type: ignore[return-value]  # it has ended without an error
