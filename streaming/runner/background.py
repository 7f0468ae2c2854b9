"""Work in a thread of its own, so that the loop which tends the processes waits for nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable

from django.db import close_old_connections

from betting.db.outages import OUTAGES


class Background:
    """An action that is called without waiting for it.

    A call starts the action in its thread, unless it is still under way, and raises what the latest
    one that ended has raised. The thread ends with the process, even if the action hangs.

    Args:
        action: the action; it may wait for a server.
    """

    def __init__(self, action: Callable[[], None]) -> None:
        self._action = action
        self._is_wanted = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="background", daemon=True)

    def __call__(self) -> None:
        """Start the action, and raise the error that its latest end left."""
        if self._thread.ident is None:
            self._thread.start()
        self._is_wanted.set()
        if self._error is not None:
            raise self._error.with_traceback(None)

    def _run(self) -> None:
        while self._is_wanted.wait():
            try:
                self._action()
            except Exception as error:  # noqa: BLE001 - raised by the next call
                self._error = error
                if isinstance(error, OUTAGES):
                    close_old_connections()
            else:
                self._error = None
            self._is_wanted.clear()
