"""Work in threads of its own, so that the loop which tends the processes waits for nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

from django.db import close_old_connections, connection

from betting.db.outages import OUTAGES

T = TypeVar("T")

END_SECONDS = 1.0
"""The longest wait for a thread's end; one that hangs is left to itself."""

_helpers: list[Helper] = []


class Helper:
    """A thread that makes calls, one after the other.

    It ends with the process, even if a call hangs, which the threads of `concurrent.futures` do
    not.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="helper", daemon=True)

    def submit(self, action: Callable[[], T]) -> Future[T]:
        """Return the future result of an action, once those before it have ended."""
        if self._thread.ident is None:
            self._thread.start()
            _helpers.append(self)
        future: Future[T] = Future()
        self._calls.put((action, future))
        return future

    def end(self) -> None:
        """End the thread, and its database connection, after the calls that were submitted."""
        self._calls.put(None)
        self._thread.join(END_SECONDS)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            action, future = call
            try:
                future.set_result(action())
            except Exception as error:  # noqa: BLE001 - raised where the result is asked for
                future.set_exception(error)
                if isinstance(error, OUTAGES):
                    close_old_connections()
        connection.close()


class Background:
    """An action that is called without waiting for it.

    A call starts the action, unless it is still under way, and raises what the latest one that
    ended has raised.

    Args:
        action: the action; it may wait for a server.
    """

    def __init__(self, action: Callable[[], None]) -> None:
        self._action = action
        self._helper = Helper()
        self._latest: Future[None] | None = None
        self._error: BaseException | None = None

    def __call__(self) -> None:
        """Start the action, and raise the error that its latest end left."""
        if self._latest is None or self._latest.done():
            self._error = self._latest.exception() if self._latest else None
            self._latest = self._helper.submit(self._action)
        if self._error is not None:
            raise self._error.with_traceback(None)


def end_helpers() -> None:
    """End all threads, as a run's end and a test's do."""
    while _helpers:
        _helpers.pop().end()
