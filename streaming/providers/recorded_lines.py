"""The lines of a recorded file, each of a bounded length and without what pads it."""

from __future__ import annotations

from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple

from streaming.core.failures import DataFailure, PermanentFailure
from streaming.core.texts import one_line
from streaming.providers.compressed import open_file, spoilt
from streaming.providers.fields import PADDING, unmarked

MAX_LINE_BYTES = 32 * 1024 * 1024
"""Twice the largest answer that is polled unless HARDLINE_FETCH_MAX_BODY_BYTES says otherwise."""

_SKIPPED_BYTES = 1024 * 1024


class Line(NamedTuple):
    """One line of a file.

    Attributes:
        number: of the line, from 1.
        where: ``<file name>:<line number>``.
        content: what it holds, or why that cannot be read.
    """

    number: int
    where: str
    content: bytes | DataFailure

    def readable(self) -> bytes:
        """What the line holds.

        Raises:
            DataFailure: that cannot be read.
        """
        if isinstance(self.content, DataFailure):
            raise self.content
        return self.content

    def failure(self, fault: DataFailure) -> DataFailure:
        """A fault in the line's content, as one of the line."""
        message = fault.message if fault.where in {"$", self.where} else str(fault)
        return DataFailure(fault.code, message, self.where)


def lines_of(path: Path) -> Iterator[Line]:
    """The lines of a file, lazily; blank ones are passed over.

    A packed file that ends too early has what comes before its end, and a last line that says so.

    Raises:
        PermanentFailure: the file cannot be opened.
        DataFailure: the file is packed and damaged: what has been read of it may be wrong too.
    """
    number = 0
    with _opened(path) as file:
        while True:
            number += 1
            where = f"{path.name}:{number}"
            try:
                content = _next_content(file, where)
            except EOFError as error:
                words = f"The recording cannot be read on: {one_line(str(error))}."
                yield Line(number, where, DataFailure("cut_short", words, where))
                return
            if not content:
                return
            if isinstance(content, bytes):
                content = (unmarked(content) if number == 1 else content).strip(PADDING)
            if content:
                yield Line(number, where, content)


def _opened(path: Path) -> BufferedIOBase:
    try:
        return open_file(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    raise PermanentFailure(
        "recording_unreadable",
        f"The recording {path} cannot be opened: {reason}.",
        "Give the path of a .jsonl or Betfair file, plain or packed, that the workers can read.",
    )


def _next_content(file: BufferedIOBase, where: str) -> bytes | DataFailure:
    """The next line as it stands, or why it is not read; empty at the end of the file."""
    try:
        line = _next_line(file)
    except EOFError:
        raise
    except spoilt() as error:
        reason = one_line(str(error))
    else:
        if line is not None:
            return line
        words = f"The line is longer than {MAX_LINE_BYTES:,} bytes."
        return DataFailure("too_long", words, where)
    raise DataFailure("bad_recording", f"The recording cannot be read on: {reason}.", where)


def _next_line(file: BufferedIOBase) -> bytes | None:
    """The next line; None for one that is too long, of which no more is held than a part."""
    line = b""
    while part := file.readline(MAX_LINE_BYTES + 1 - len(line)):
        line += part
        if part.endswith(b"\n"):
            return line
        line = line.lstrip(PADDING)  # however much of it stands before the line
        if len(line) > MAX_LINE_BYTES:
            _skip_line(file)
            return None
    return line


def _skip_line(file: BufferedIOBase) -> None:
    while (part := file.readline(_SKIPPED_BYTES)) and not part.endswith(b"\n"):
        pass
