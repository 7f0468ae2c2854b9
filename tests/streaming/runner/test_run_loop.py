"""With real processes, and a terminal that is a string."""

from __future__ import annotations

import io
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import OperationalError
from rich.console import Console

from betting.config import Config
from betting.runtime.supervisor import Program, SupervisionPolicy, Supervisor
from streaming.runner import run_loop as sessions
from streaming.runner.interrupts import Interrupts
from streaming.runner.run_loop import Chore, InterruptedRunError, RunError, Session
from streaming.runner.terminal import Terminal
from tests.support import rows

IMPATIENT = SupervisionPolicy(restart_seconds=0.01, max_restart_seconds=0.01, stop_seconds=5)


class Stage:
    """What a session plays on, and what it said."""

    def __init__(self, interrupts: Interrupts, logs: Path) -> None:
        self._interrupts = interrupts
        self._logs = logs
        self._output = io.StringIO()
        self.terminal = Terminal(Console(file=self._output, width=500))
        self.supervisors: list[Supervisor] = []

    def session(self, *chores: Chore, source: str = "import time; time.sleep(600)") -> Session:
        program = Program("program", [sys.executable, "-c", source], self._logs.parent)
        supervisor = Supervisor([[program]], self._logs, IMPATIENT)
        self.supervisors.append(supervisor)
        supervisor.start()
        return Session(supervisor, self._interrupts, self.terminal, *chores)

    @property
    def said(self) -> str:
        return self._output.getvalue()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Interrupts() as interrupts:
        stage = Stage(interrupts, tmp_path / "logs")
        yield stage
        for supervisor in stage.supervisors:
            supervisor.stop(is_hurried=lambda: True)


def test_chores_are_done_while_waiting_each_at_its_own_interval(stage: Stage) -> None:
    often, seldom = [], []
    session = stage.session(
        Chore(0.0, lambda: often.append(1)), Chore(600.0, lambda: seldom.append(1))
    )
    session.wait(0.5)
    assert len(often) >= 2
    assert len(seldom) == 1


def test_what_is_due_is_done_even_without_time_to_wait(stage: Stage) -> None:
    done: list[int] = []
    started_at = time.monotonic()
    stage.session(Chore(0.0, lambda: done.append(1))).wait(-5)
    assert done
    assert time.monotonic() - started_at < 5


def test_an_interrupt_ends_the_wait(stage: Stage) -> None:
    session = stage.session(Chore(0.0, lambda: signal.raise_signal(signal.SIGINT)))
    with pytest.raises(InterruptedRunError):
        session.wait_for_ever()


@pytest.mark.django_db
def test_an_outage_is_told_once_and_outlived(stage: Stage) -> None:
    attempts: list[int] = []

    def fails() -> None:
        attempts.append(1)
        raise OperationalError("the server is away")

    stage.session(Chore(0.0, fails)).wait(0.5)
    assert len(attempts) >= 2
    assert stage.said.count("the server is away") == 1


def test_a_fault_of_ours_is_not_taken_for_an_outage(stage: Stage) -> None:
    def fails() -> None:
        raise ZeroDivisionError

    session = stage.session(Chore(0.0, fails))
    with pytest.raises(ZeroDivisionError):
        session.wait(0.5)


def test_an_exit_is_told_with_the_log_to_read(stage: Stage) -> None:
    session = stage.session(source="raise SystemExit(7)")
    session.wait_until(lambda: "exited" in stage.said, "The exit")
    assert "program exited with status 7" in stage.said
    assert "program.log" in stage.said


def test_a_process_that_crashes_again_and_again_ends_the_start(stage: Stage) -> None:
    session = stage.session(source="raise SystemExit(7)")
    with pytest.raises(RunError, match=r"program exits again and again.*program\.log"):
        session.wait_until(lambda: False, "The impossible")


def test_what_does_not_come_up_in_time_ends_the_start(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "START_SECONDS", 0.3)
    with pytest.raises(RunError, match="The impossible did not come up"):
        stage.session().wait_until(lambda: False, "The impossible")


@pytest.mark.django_db
@pytest.mark.usefixtures("redis")
def test_idle_is_reached_once_the_last_market_is_valued(stage: Stage, servers: Config) -> None:
    market = rows.make_market(version=1)

    def value() -> None:
        market.valued_version = 1
        market.save()

    stage.session(Chore(600.0, value)).wait_until_idle(servers.coalesce)
    assert market.valued_version == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("redis")
def test_idle_is_given_up_when_nothing_moves(
    stage: Stage, servers: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "PATIENCE_SECONDS", 0.3)
    rows.make_market(version=1)
    with pytest.raises(RunError, match=r"Nothing has moved .* 1 markets stale"):
        stage.session().wait_until_idle(servers.coalesce)


@pytest.mark.django_db
@pytest.mark.usefixtures("redis")
def test_idle_is_given_up_when_a_process_keeps_crashing(stage: Stage, servers: Config) -> None:
    rows.make_market(version=1)
    with pytest.raises(RunError, match="again and again"):
        stage.session(source="raise SystemExit(7)").wait_until_idle(servers.coalesce)


@pytest.mark.usefixtures("servers")
def test_no_worker_answers_where_none_runs() -> None:
    assert not sessions.workers_answer(["nobody@nowhere"])
