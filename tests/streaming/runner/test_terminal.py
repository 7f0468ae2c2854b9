from __future__ import annotations

import io

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


def test_a_file_is_not_filled_with_a_summary_each_second() -> None:
    output = io.StringIO()
    with Terminal(Console(file=output, width=160)) as terminal:
        for _ in range(5):
            terminal.summarise("310 changes/s")
    assert output.getvalue() == ""
