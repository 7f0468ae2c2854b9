"""Ctrl-C and other requests to stop as something to wait for, not as an exception anywhere."""

from __future__ import annotations

import os
import select
import signal
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """A context that counts requests to stop. It works in the main thread alone.

    Handlers write to a pipe: waiting on that has no gap in which a signal is missed.
    """

    def __init__(self) -> None:
        self._count = 0

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        # `nohup` has a program ignore the end of its terminal, and it has to stay that way.
        is_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        heeded = [each for each in SIGNALS if not (is_ignored and each is signal.SIGHUP)]
        self._previous = {number: signal.signal(number, self._note) for number in heeded}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        os.close(self._read)
        os.close(self._write)

    @property
    def is_requested(self) -> bool:
        """Return True if the run is to stop."""
        return self._count > 0

    @property
    def is_hurried(self) -> bool:
        """Return True if it was asked to stop more than once."""
        return self._count > 1

    def wait(self, seconds: float) -> bool:
        """Wait, but no longer than until the first request; return whether there is one."""
        if not self.is_requested:
            select.select([self._read], [], [], max(0.0, seconds))
        return self.is_requested

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._count += 1
        os.write(self._write, b".")
