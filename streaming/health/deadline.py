"""Deadlines for calls that the library below cannot time out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from django.db import close_old_connections, connections

T = TypeVar("T")

MAX_WAITING = 4
"""The most threads of a process that may wait for a server which has stopped answering."""

IDLE_SECONDS = 20.0
"""A thread that nothing is asked of for so long ends, and its database connection with it."""

_places = threading.BoundedSemaphore(MAX_WAITING)
_places_of_replica = threading.BoundedSemaphore(MAX_WAITING)
_lock = threading.Lock()
_idle: list[_Asker] = []
"""The threads that wait for a question; changed under the lock."""


class DeadlineError(Exception):
    """The answer did not come in time."""


class _Call(Generic[T]):
    """One call, and then its result or its error."""

    def __init__(self, action: Callable[[], T], place: threading.BoundedSemaphore) -> None:
        self._action = action
        self.place = place
        self.has_ended = threading.Event()
        self.result: T | None = None
        self.error: Exception | None = None

    def make(self) -> None:
        try:
            self.result = self._action()
        except Exception as error:  # noqa: BLE001 - raised again by `within`
            self.error = error


class _Asker(threading.Thread):
    """A thread that makes calls, one after the other, on a database connection of its own.

    It keeps the connection: the first statements on a new one take as long as all the others, for
    its caches are empty.
    """

    def __init__(self) -> None:
        super().__init__(name="health", daemon=True)
        self.calls: SimpleQueue[_Call[Any] | None] = SimpleQueue()

    def run(self) -> None:
        try:
            while (call := self._next()) is not None:
                close_old_connections()
                call.make()
                with _lock:
                    _idle.append(self)
                call.place.release()
                call.has_ended.set()
        finally:
            connections.close_all()

    def _next(self) -> _Call[Any] | None:
        try:
            return self.calls.get(timeout=IDLE_SECONDS)
        except Empty:
            with _lock:
                if self in _idle:
                    _idle.remove(self)
                    return None
            return self.calls.get()  # somebody has just chosen it


def within(seconds: float, action: Callable[[], T], *, is_of_replica: bool = False) -> T:
    """Call something that uses the database, and wait for it no longer than this.

    A PostgreSQL that is stopped in the middle, or cut off, lets a query hang for ever, regardless
    of its own timeouts. The thread that hangs is left to itself; there are `MAX_WAITING` at most,
    and as many that wait for the replica: while it hangs, the primary can be asked.

    Raises:
        DeadlineError: it took longer, or as many as may are still waiting.
    """
    place = _places_of_replica if is_of_replica else _places
    if not place.acquire(blocking=False):
        raise DeadlineError("does not answer; earlier questions still wait")
    call = _Call(action, place)
    _asker().calls.put(call)
    if not call.has_ended.wait(seconds):
        raise DeadlineError(f"no answer within {seconds:g} s")
    if call.error is not None:
        raise call.error
    return call.result  # type: ignore[return-value]  # it has ended without an error


def _asker() -> _Asker:
    """Return a thread that waits, or a new one."""
    with _lock:
        while _idle:
            asker = _idle.pop()
            if asker.is_alive():  # it is not in a process that was forked meanwhile
                return asker
    asker = _Asker()
    asker.start()
    return asker


def end_idle_threads() -> None:
    """End the threads that wait for a question, and their connections."""
    with _lock:
        askers = [asker for asker in _idle if asker.is_alive()]
        _idle.clear()
    for asker in askers:
        asker.calls.put(None)
    for asker in askers:
        asker.join()
