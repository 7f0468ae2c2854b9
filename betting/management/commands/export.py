from __future__ import annotations

import csv
import io
import os
import re
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec
from django.core.management.base import CommandError

from betting.db.exports import LINE_CHANGES, QUOTES, Table
from betting.management.unchecked import UncheckedCommand
from streaming.core.texts import did_you_mean, escaped, escaped_json
from valuation.exports import (
    CLOSING_PRICES,
    CLOSING_QUOTES,
    EDGE_CLOSINGS,
    EDGES,
    FAIR_PRICES,
    OPPORTUNITIES,
    RECOMPUTE_RUNS,
)

TABLES = {
    table.name: table
    for table in (
        QUOTES,
        LINE_CHANGES,
        FAIR_PRICES,
        EDGES,
        OPPORTUNITIES,
        CLOSING_PRICES,
        CLOSING_QUOTES,
        EDGE_CLOSINGS,
        RECOMPUTE_RUNS,
    )
}
ROWS_PER_WRITE = 1_000
_FORMULA = re.compile(r"[\s']*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r]")
"""The beginning of a formula, also in the wide characters that some spreadsheets accept."""

Rows = Iterator[tuple[Any, ...]]
Lines = Iterator[str]


class Command(UncheckedCommand):
    help = "Write a table to stdout, as CSV or as one JSON object a line. Numbers read back equal."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("table", metavar="TABLE", help=f"one of {', '.join(TABLES)}")
        add("--format", choices=WRITERS, default="csv", help="default: csv")
        add("--status", metavar="STATUS", help=_statuses())

    def handle(self, *, table: str, format: str, status: str | None, **_: Any) -> None:  # noqa: A002 - the option's name
        chosen = TABLES.get(table)
        if chosen is None:
            known = ", ".join(TABLES)
            raise CommandError(
                f"no table {table!r}{did_you_mean(table, TABLES)}; there are {known}"
            )
        _check_status(chosen, status)
        try:
            for text in WRITERS[format](list(chosen.columns), chosen.fetch(status)):
                self.stdout.write(text, ending="")
            self.stdout.flush()
        except BrokenPipeError:
            _let_go_of_stdout()


def _statuses() -> str:
    choices = (f"{t.name}: {', '.join(t.statuses)}" for t in TABLES.values() if t.statuses)
    return f"only rows of this status ({'; '.join(choices)})"


def _check_status(table: Table, status: str | None) -> None:
    if status is None or status in table.statuses:
        return
    if not table.statuses:
        raise CommandError(f"{table.name} have no status")
    known = ", ".join(table.statuses)
    nearest = did_you_mean(status, table.statuses)
    raise CommandError(f"{table.name} have no status {status!r}{nearest}; there are {known}")


def _let_go_of_stdout() -> None:
    """Send the rest to /dev/null: the reader, such as `head`, is gone, and exit must not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _csv(columns: Sequence[str], rows: Rows) -> Lines:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    while True:
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        writer.writerows([_cell(value) for value in row] for row in islice(rows, ROWS_PER_WRITE))
        if not buffer.tell():
            return


def _cell(value: object) -> object:
    """Return a value for the CSV writer, which writes None as nothing and a float by its repr."""
    if type(value) is list:
        value = ";".join(map(str, value))
    return _harmless(value) if isinstance(value, str) else value


def _harmless(text: str) -> str:
    r"""Return a text that no spreadsheet takes for a formula, and no terminal for a command.

    A text that begins like a formula gets an apostrophe before it, as a user of a spreadsheet
    types it. One that already has apostrophes there gets one more, so that removing one always
    gives the original text.

    >>> _harmless("=1+1"), _harmless("'=1"), _harmless("-3.5"), _harmless("A = B\u202e")
    ("'=1+1", "''=1", "'-3.5", 'A = B\\u202e')
    """
    return f"'{escaped(text)}" if _FORMULA.match(text) else escaped(text)


def _jsonl(columns: Sequence[str], rows: Rows) -> Lines:
    encode = msgspec.json.Encoder().encode
    while batch := list(islice(rows, ROWS_PER_WRITE)):
        objects = (encode(dict(zip(columns, row, strict=True))) for row in batch)
        yield "".join(f"{escaped_json(line.decode())}\n" for line in objects)


WRITERS: dict[str, Callable[[Sequence[str], Rows], Lines]] = {"csv": _csv, "jsonl": _jsonl}
