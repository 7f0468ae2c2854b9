"""The output of a run, for people."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Full, Queue
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column

from streaming.core.texts import escaped, escaped_lines

#: Between two summary lines where they cannot replace each other.
_LINE_SECONDS = 10.0
_WAITING_LINES = 1_000
_FLUSH_SECONDS = 1.0


class Terminal:
    """Lines that stay, above one line that is replaced: the summary, with a bar for a replay.

    Where the output is not a terminal, the summary is written as a line of its own, less often.

    Nothing here waits or raises: a thread writes. If the output cannot take a line, because its
    reader is gone or stands still, or its disk is full, the line is lost and the run goes on.

    Args:
        console: the console to write to.
        responses: answers that will be replayed; 0 where none are.
    """

    def __init__(self, console: Console, responses: int = 0) -> None:
        columns: list[ProgressColumn] = [SpinnerColumn(), TimeElapsedColumn()]
        if responses:
            columns += [BarColumn(bar_width=20), MofNCompleteColumn()]
        # On a narrow terminal the summary takes a second line, and loses nothing.
        folded = Column(overflow="fold", ratio=1)
        columns.append(TextColumn("{task.description}", markup=False, table_column=folded))
        self._progress = Progress(
            *columns,
            console=console,
            auto_refresh=False,
            disable=not console.is_terminal,
            expand=True,
        )
        self._console = console
        self._task = self._progress.add_task("starting", total=responses or None)
        self._line_due_at = time.monotonic() + _LINE_SECONDS
        self._waiting: Queue[Callable[[], object]] = Queue(_WAITING_LINES)
        threading.Thread(target=self._write, name="terminal", daemon=True).start()

    def __enter__(self) -> Self:
        self._put(self._progress.start)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._put(self._progress.stop)
        self.flush()

    @property
    def is_terminal(self) -> bool:
        """Return True if a person watches, and no file."""
        return self._console.is_terminal

    def say(self, text: str) -> None:
        """Write a line that stays."""
        escaped_text = escaped_lines(text)
        self._put(
            lambda: self._console.print(escaped_text, markup=False, highlight=False, soft_wrap=True)
        )

    def done(self, responses: int) -> None:
        """Note how many answers have been replayed; shown with the next summary."""
        self._progress.update(self._task, completed=responses)

    def summarise(self, line: str) -> None:
        """Show the summary of this second."""
        shown = escaped(line)
        self._put(lambda: self._progress.update(self._task, description=shown, refresh=True))
        now = time.monotonic()
        if not self._console.is_terminal and now >= self._line_due_at:
            self._line_due_at = now + _LINE_SECONDS
            self.say(line)

    def flush(self) -> None:
        """Wait until what was said is written, but not for an output that takes nothing."""
        is_written = threading.Event()
        self._put(is_written.set)
        is_written.wait(_FLUSH_SECONDS)

    def _put(self, write: Callable[[], object]) -> None:
        with suppress(Full):
            self._waiting.put_nowait(write)

    def _write(self) -> None:
        while True:
            write = self._waiting.get()
            with suppress(OSError, ValueError):  # ValueError: the output is closed
                write()
