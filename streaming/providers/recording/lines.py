"""The lines of a recorded file, each of bounded length and without padding."""

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
"""Twice `FetchPolicy.max_body_bytes`, the largest answer that a poll accepts."""

_SKIPPED_BYTES = 1024 * 1024


class Line(NamedTuple):
    """One line of a file.

    Attributes:
        number: of the line, from 1.
        where: ``<file name>:<line number>``.
        content: the line's content, or the reason why it cannot be read.
    """

    number: int
    where: str
    content: bytes | DataFailure

    def readable(self) -> bytes:
        """Return the line's content.

        Raises:
            DataFailure: the content cannot be read.
        """
        if isinstance(self.content, DataFailure):
            raise self.content
        return self.content

    def failure(self, fault: DataFailure) -> DataFailure:
        """Convert a fault in the line's content to a failure of the line."""
        message = fault.message if fault.where in {"$", self.where} else str(fault)
        return DataFailure(fault.code, message, self.where)


def lines_of(path: Path) -> Iterator[Line]:
    """Yield the lines of a file; skip blank ones.

    If a compressed file ends too early, yield the lines before its end, and a last one that holds
    the failure.

    Raises:
        PermanentFailure: the file cannot be opened.
        DataFailure: the file is compressed and damaged: lines read before may be wrong too.
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
    """Return the next line unchanged, or why it is not read; empty at the end of the file."""
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
    """Return the next line; None if it is too long, of which only a part is held in memory."""
    line = b""
    while part := file.readline(MAX_LINE_BYTES + 1 - len(line)):
        line += part
        if part.endswith(b"\n"):
            return line
        line = line.lstrip(PADDING)  # leading padding does not count as length
        if len(line) > MAX_LINE_BYTES:
            _skip_line(file)
            return None
    return line


def _skip_line(file: BufferedIOBase) -> None:
    while (part := file.readline(_SKIPPED_BYTES)) and not part.endswith(b"\n"):
        pass
