from __future__ import annotations

import errno
import io
import threading

import pytest
from rich.console import Console

from streaming.runner import terminal as terminals
from streaming.runner.terminal import Terminal


def test_a_terminal_shows_a_bar_with_what_is_done_and_what_flows() -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=160)
    with Terminal(console, responses=87) as terminal:
        terminal.done(12)
        terminal.summarise("310 changes/s")
        terminal.say("worker-io exited")
    shown = output.getvalue()
    assert "12/87" in shown
    assert "310 changes/s" in shown
    assert "worker-io exited" in shown


def test_a_narrow_terminal_loses_nothing_of_the_summary() -> None:
    output = io.StringIO()
    words = [f"word{number}" for number in range(20)]
    with Terminal(Console(file=output, force_terminal=True, width=80), responses=87) as terminal:
        terminal.summarise(" ".join(words))
    assert all(word in output.getvalue() for word in words)


def test_a_file_gets_a_summary_now_and_then_and_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.StringIO()
    monkeypatch.setattr(terminals, "_LINE_SECONDS", 0.0)
    with Terminal(Console(file=output, width=160), responses=87) as terminal:
        terminal.summarise("[1] 310 changes/s")
    assert output.getvalue() == "[1] 310 changes/s\n"


class Full(io.StringIO):
    """An output that takes nothing: a full disk, or a pipe without a reader."""

    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_an_output_that_fails_ends_no_run() -> None:
    with Terminal(Console(file=Full(), force_terminal=True)) as terminal:
        terminal.say("worker-io exited")
        terminal.summarise("310 changes/s")


class Unread(io.StringIO):
    """A full pipe whose reader stands still."""

    def __init__(self) -> None:
        super().__init__()
        self.is_read = threading.Event()

    def write(self, _: str) -> int:
        self.is_read.wait(60)
        return 0


def test_an_output_that_nobody_reads_holds_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminals, "_FLUSH_SECONDS", 0.01)
    output = Unread()
    with Terminal(Console(file=output)) as terminal:
        for _ in range(2 * terminals._WAITING_LINES):
            terminal.say("worker-io exited")
    assert not output.is_read.is_set()
    output.is_read.set()
