"""The progress of a backup, table by table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Show = Callable[[str, float], None]
"""Shows what is being done, and which part of it is done, from 0 to 1."""

_TABLE = re.compile(r'(?:dumping contents of|processing data for) table "(?:\w+\.)?(\w+)"')


class TableProgress:
    """Follows the lines of pg_dump and pg_restore: the rows before the current table are done.

    Args:
        rows: of each table.
        what: what is being done, for people.
        show: shows it.
    """

    def __init__(self, rows: Mapping[str, int], what: str, show: Show) -> None:
        self._rows = rows
        self._what = what
        self._show = show
        self._total = sum(rows.values()) or 1
        self._done = self._current = 0

    def on_line(self, line: str) -> None:
        """Take note of a line."""
        if (found := _TABLE.search(line)) and found[1] in self._rows:
            self._done += self._current
            self._current = self._rows[found[1]]
            self._show(f"{self._what} {found[1]}", self._done / self._total)
