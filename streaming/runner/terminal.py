"""The output of a run, for people."""

from __future__ import annotations

import time
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


class Terminal:
    """Lines that stay, above one line that is replaced: the summary, with a bar for a replay.

    Where the output is not a terminal, the summary is written as a line of its own, less often.

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

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    @property
    def is_terminal(self) -> bool:
        """Return True if a person watches, and no file."""
        return self._console.is_terminal

    def say(self, text: str) -> None:
        """Write a line that stays."""
        self._console.print(escaped_lines(text), markup=False, highlight=False, soft_wrap=True)

    def done(self, responses: int) -> None:
        """Note how many answers have been replayed; shown with the next summary."""
        self._progress.update(self._task, completed=responses)

    def summarise(self, line: str) -> None:
        """Show the summary of this second."""
        self._progress.update(self._task, description=escaped(line), refresh=True)
        now = time.monotonic()
        if not self._console.is_terminal and now >= self._line_due_at:
            self._line_due_at = now + _LINE_SECONDS
            self.say(line)
