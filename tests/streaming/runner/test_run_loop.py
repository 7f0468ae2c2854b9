"""With real processes, and a terminal that is a string."""

from __future__ import annotations

import io
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import OperationalError
from rich.console import Console

from betting.config import Config
from betting.runtime.supervisor import Program, SupervisionPolicy, Supervisor
from streaming.runner import run_loop
from streaming.runner.interrupts import Interrupts
from streaming.runner.run_loop import InterruptedRunError, PeriodicJob, RunError, RunLoop
from streaming.runner.terminal import Terminal
from tests.support import rows

IMPATIENT = SupervisionPolicy(restart_seconds=0.01, max_restart_seconds=0.01, stop_seconds=5)


class Environment:
    """The surroundings of a loop, and what it said."""

    def __init__(self, interrupts: Interrupts, logs: Path) -> None:
        self._interrupts = interrupts
        self._logs = logs
        self._output = io.StringIO()
        self.terminal = Terminal(Console(file=self._output, width=500))
        self.supervisors: list[Supervisor] = []

    def loop(self, *jobs: PeriodicJob, source: str = "import time; time.sleep(600)") -> RunLoop:
        program = Program("program", [sys.executable, "-c", source], self._logs.parent)
        supervisor = Supervisor([[program]], self._logs, IMPATIENT)
        self.supervisors.append(supervisor)
        supervisor.start()
        return RunLoop(supervisor, self._interrupts, self.terminal, *jobs)

    @property
    def said(self) -> str:
        self.terminal.flush()
        return self._output.getvalue()


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Environment]:
    with Interrupts() as interrupts:
        environment = Environment(interrupts, tmp_path / "logs")
        yield environment
        for supervisor in environment.supervisors:
            supervisor.stop(is_hurried=lambda: True)


def test_jobs_run_while_waiting_each_at_its_own_interval(environment: Environment) -> None:
    often, seldom = [], []
    loop = environment.loop(
        PeriodicJob(0.0, lambda: often.append(1)), PeriodicJob(600.0, lambda: seldom.append(1))
    )
    loop.wait(0.5)
    assert len(often) >= 2
    assert len(seldom) == 1


def test_what_is_due_is_done_even_without_time_to_wait(environment: Environment) -> None:
    done: list[int] = []
    started_at = time.monotonic()
    environment.loop(PeriodicJob(0.0, lambda: done.append(1))).wait(-5)
    assert done
    assert time.monotonic() - started_at < 5


def test_an_interrupt_ends_the_wait(environment: Environment) -> None:
    loop = environment.loop(PeriodicJob(0.0, lambda: signal.raise_signal(signal.SIGINT)))
    with pytest.raises(InterruptedRunError):
        loop.wait_for_ever()


@pytest.mark.django_db
def test_an_outage_is_told_once_and_outlived(environment: Environment) -> None:
    attempts: list[int] = []

    def fails() -> None:
        attempts.append(1)
        raise OperationalError("the server is away")

    environment.loop(PeriodicJob(0.0, fails)).wait(0.5)
    assert len(attempts) >= 2
    assert environment.said.count("the server is away") == 1


@pytest.mark.django_db
def test_a_summary_that_hangs_delays_neither_a_restart_nor_an_interrupt(
    environment: Environment, servers: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = threading.Event()
    monkeypatch.setattr(run_loop, "what_is_down", lambda _: frozen.wait(30) or [])
    monkeypatch.setattr(run_loop, "_OLD_SECONDS", 0.0)
    activity = run_loop.showing_activity(environment.terminal, servers)
    environment.terminal._line_due_at = 0.0
    loop = environment.loop(activity, source="raise SystemExit(7)")
    loop.wait_until(lambda: environment.said.count("exited") > 1, "A second exit")
    assert "no answer for 0 s; before: starting" in environment.said
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(InterruptedRunError):
        loop.wait_for_ever()
    assert not frozen.is_set()
    frozen.set()


def test_work_that_hangs_delays_no_interrupt_and_other_work_returns(
    environment: Environment,
) -> None:
    frozen = threading.Event()
    interrupting = PeriodicJob(600.0, lambda: signal.raise_signal(signal.SIGINT))
    assert environment.loop().do(lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        environment.loop().do(lambda: 1 // 0)
    with pytest.raises(InterruptedRunError):
        environment.loop(interrupting).do(lambda: frozen.wait(30))
    assert not frozen.is_set()
    frozen.set()


def test_a_server_that_hangs_while_it_is_waited_for_delays_no_interrupt(
    environment: Environment,
) -> None:
    frozen, answers = threading.Event(), []

    def hangs() -> bool:
        answers.append(frozen.wait(30))
        return False

    interrupting = PeriodicJob(600.0, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(InterruptedRunError):
        environment.loop(interrupting).wait_until(hangs, "The workers")
    assert not answers
    frozen.set()


def test_a_fault_of_ours_is_not_taken_for_an_outage(environment: Environment) -> None:
    def fails() -> None:
        raise ZeroDivisionError

    loop = environment.loop(PeriodicJob(0.0, fails))
    with pytest.raises(ZeroDivisionError):
        loop.wait(0.5)


def test_an_exit_is_told_with_the_log_to_read(environment: Environment) -> None:
    loop = environment.loop(source="raise SystemExit(7)")
    loop.wait_until(lambda: "exited" in environment.said, "The exit")
    assert "program exited with status 7" in environment.said
    assert "program.log" in environment.said


def test_a_process_that_crashes_again_and_again_ends_the_start(environment: Environment) -> None:
    loop = environment.loop(source="raise SystemExit(7)")
    with pytest.raises(RunError, match=r"program exits again and again.*program\.log"):
        loop.wait_until(lambda: False, "The impossible")


def test_what_does_not_come_up_in_time_ends_the_start(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_loop, "START_SECONDS", 0.3)
    with pytest.raises(RunError, match="The impossible did not come up"):
        environment.loop().wait_until(lambda: False, "The impossible")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis")
def test_idle_is_reached_once_the_last_market_is_valued(
    environment: Environment, servers: Config
) -> None:
    market = rows.make_market(version=1)

    def value() -> None:
        market.valued_version = 1
        market.save()

    environment.loop(PeriodicJob(600.0, value)).wait_until_idle(servers.coalesce)
    assert market.valued_version == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis")
def test_idle_is_given_up_when_nothing_moves(
    environment: Environment, servers: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_loop, "PATIENCE_SECONDS", 0.3)
    rows.make_market(version=1)
    with pytest.raises(RunError, match=r"Nothing has moved .* 1 markets unvalued"):
        environment.loop().wait_until_idle(servers.coalesce)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis")
def test_idle_is_given_up_when_a_process_keeps_crashing(
    environment: Environment, servers: Config
) -> None:
    rows.make_market(version=1)
    with pytest.raises(RunError, match="again and again"):
        environment.loop(source="raise SystemExit(7)").wait_until_idle(servers.coalesce)


@pytest.mark.usefixtures("servers")
def test_no_worker_answers_where_none_runs() -> None:
    assert not run_loop.workers_answer(["nobody@nowhere"])
