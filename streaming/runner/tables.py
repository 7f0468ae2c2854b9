"""Tables in the output of commands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import IO, cast

from django.core.management.base import OutputWrapper
from rich.console import Console
from rich.table import Table

from streaming.core.texts import escaped

WIDTH_OF_A_PIPE = 200
"""Columns where there is no terminal to ask: wide enough to cut nothing that matters."""


def write_table(out: OutputWrapper, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write rows under their headers, as wide as the terminal, with control characters escaped."""
    table = Table(*headers)
    for row in rows:
        table.add_row(*map(escaped, row))
    width = None if out.isatty() else WIDTH_OF_A_PIPE
    Console(file=cast("IO[str]", out), width=width, markup=False, highlight=False).print(table)


def shown_time(moment: datetime | None) -> str:
    """Format a moment in UTC, to the second; empty for none."""
    return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
