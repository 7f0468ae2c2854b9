"""A run of chaos: the stack is started once, and seed after seed is played against it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from django.db import connection
from msgspec import structs
from rich.console import Console

from betting.config import CHECKOUT, Config
from betting.config.servers import only_servers
from betting.db.outages import OUTAGES
from betting.runtime.embedded import remove_state
from betting.runtime.supervisor import leftovers
from streaming.benchmark.machine import this_machine
from streaming.chaos import clocks, supervising
from streaming.chaos.archive import archive
from streaming.chaos.conduct import PATIENCE_SECONDS, Conductor, Evidence
from streaming.chaos.deliveries import Deliveries, Played, judged, missing
from streaming.chaos.document import ChaosResult, SeedResult
from streaming.chaos.ends import read_arrivals, subscribe_receiver
from streaming.chaos.faults import FAULTS
from streaming.chaos.feeds import enable, serving
from streaming.chaos.oracle import start_empty
from streaming.chaos.plan import plan
from streaming.chaos.receiver import receiving
from streaming.chaos.report import reasons, summary
from streaming.chaos.stage import Stage
from streaming.chaos.supervising import SUPERVISION
from streaming.chaos.witness import read as read_witness
from streaming.runner import processes
from streaming.runner.environment import logs_of, set_up, supervised
from streaming.runner.interrupts import Interrupts
from streaming.runner.ports import free_port, is_listening
from streaming.runner.run_loop import (
    InterruptedRunError,
    PeriodicJob,
    RunError,
    RunLoop,
    workers_answer,
)
from streaming.runner.server_watch import watching_servers
from streaming.runner.terminal import Terminal

HOME = "chaos"
ARCHIVES = "chaos-archives"

SHOW_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Task:
    """The seeds that are asked for.

    Attributes:
        seeds: those that are played, in order.
        market_seed: of the simulated market.
    """

    seeds: Sequence[int]
    market_seed: int


def run_again_apart(home: Path, arguments: Sequence[str]) -> NoReturn:
    """Replace this process by one whose servers and state nobody else uses.

    Args:
        home: the state directory; the new one is within it.
        arguments: of `manage.py`.
    """
    own = {
        "HARDLINE_HOME": str(home / HOME),
        # No fault may strike a server that this run has not started.
        **only_servers(),
        # The simulators and the subscriber are on this machine.
        "HARDLINE_POLL_ALLOW_PRIVATE_NETWORKS": "true",
        "HARDLINE_BUS_ALLOW_PRIVATE_NETWORKS": "true",
    }
    command = [sys.executable, str(CHECKOUT / "manage.py"), *arguments]
    os.execve(sys.executable, command, {**os.environ, **own})  # noqa: S606 - our own command


def run_chaos(config: Config, console: Console, task: Task) -> ChaosResult:
    """Play the seeds, until somebody asks to stop.

    Args:
        config: of a process that `run_again_apart` made.
        console: the output for people.
        task: what is played.

    Raises:
        RunError: the servers are not this run's own, the stack did not start, it differs from an
            undisturbed reading before any fault, or somebody asked to stop before that.
        AlreadyRunningError, PortError, EmbeddedError: as `environment.set_up` does.
    """
    config = with_free_ports(config)
    result = _run(config, console, task)
    remove_state(config)  # that of a run which did not come to its end has the logs that say why
    return result


def with_free_ports(config: Config) -> Config:
    """Return the configuration with ports that nobody has.

    Raises:
        RunError: the servers are not this run's own.
    """
    if config.database_url or config.redis_url or config.broker_url:
        raise RunError("Chaos strikes private servers alone.")
    return replace(config, web=replace(config.web, port=free_port(), flower_port=free_port()))


def _run(config: Config, console: Console, task: Task) -> ChaosResult:
    with staged(config, console, task.market_seed, len(task.seeds)) as (stage, stop, terminal):
        result = _Session(stage, stop, terminal).play(task)
    left = [*leftovers(logs_of(config)), *leftovers(supervising.logs(config))]
    left_over = tuple(f"{each.pid} {each.name()}" for each in left)
    return structs.replace(result, left_over=left_over)


@contextmanager
def staged(
    config: Config, console: Console, market_seed: int, rounds: int
) -> Iterator[tuple[Stage, Interrupts, Terminal]]:
    """Start the servers and processes of a run, and end them with the block.

    Args:
        config: of a process that `run_again_apart` made.
        console: the output for people.
        market_seed: of the simulated market.
        rounds: how many rounds the terminal counts.
    """
    with (
        Interrupts() as interrupts,
        set_up(config, [(config.web.host, config.web.port)]) as login,
        Terminal(console, responses=rounds) as terminal,
        serving(market_seed) as feeds,
        receiving() as receiver,
    ):
        connection.close()
        start_empty(config)
        outer = [[supervising.program(config, login.password)]]
        with supervised(outer, config, interrupts, terminal, supervising.OUTER) as supervisor:
            programs = supervising.programs(config, login.password)
            yield Stage(config, supervisor, programs, feeds, receiver), interrupts, terminal
    clocks.remove_leftovers()


def await_stack(stage: Stage, loop: RunLoop) -> None:
    """Wait until all processes are there, and begin to poll the providers and to notify."""
    web = (stage.config.web.host, stage.config.web.port)
    loop.wait_until(lambda: is_listening(*web), "The web server")
    loop.wait_until(lambda: workers_answer(processes.nodes(stage.config)), "The workers")
    urls = {key: server.base_url for key, server in stage.feeds.servers.items()}
    loop.do(lambda: enable(urls))
    loop.do(lambda: subscribe_receiver(stage.receiver))


class _Session:
    """The seeds of a run, against its processes."""

    def __init__(self, stage: Stage, interrupts: Interrupts, terminal: Terminal) -> None:
        self._stage = stage
        self._interrupts = interrupts
        self._terminal = terminal
        self._line = "starting"
        watching = watching_servers(stage.config, terminal, SUPERVISION)
        showing = PeriodicJob(SHOW_SECONDS, lambda: terminal.summarise(self._line))
        self._loop = RunLoop(stage.outer, interrupts, terminal, watching, showing)

    def play(self, task: Task) -> ChaosResult:
        self._begin()
        machine = self._loop.do(this_machine)
        played: list[Played] = []
        ended_at = datetime.now(UTC)
        with suppress(InterruptedRunError):
            for number, seed in enumerate(task.seeds, start=1):
                began_at, result = datetime.now(UTC), self._play(seed)
                loses_messages = any(FAULTS[name].kind.loses_messages for name in result.faults)
                played.append(Played(began_at, result, loses_messages))
                ended_at = datetime.now(UTC)
                self._terminal.done(number)
        results = self._with_deliveries(played, ended_at)
        return ChaosResult(task.market_seed, machine, datetime.now(UTC), tuple(results))

    def _with_deliveries(
        self, played: Sequence[Played], ended_at: datetime
    ) -> Sequence[SeedResult]:
        """Wait until every delivery has its end, and judge them; not for one who is in a hurry.

        The loop ends at an interruption, but the seeds that were played until then are judged.
        """
        if not played:
            return ()
        plain = [each.result for each in played]
        deadline = time.monotonic() + PATIENCE_SECONDS
        self._terminal.summarise("waiting for the last deliveries")
        try:
            while missing(played, found := self._deliveries(ended_at), ended_at):
                if self._interrupts.is_hurried:
                    return plain
                if time.monotonic() > deadline:
                    break
                time.sleep(SHOW_SECONDS)
        except OUTAGES:
            return plain  # a fault was cut short
        results = judged(played, found, ended_at)
        for before, after in zip(plain, results, strict=True):
            if len(after.unsound) > len(before.unsound):
                self._tell(after, None)
        return results

    def _deliveries(self, until: datetime) -> Deliveries:
        """Return what was sent until the last seed had ended, and what became of it."""
        seen = read_witness(self._stage.config.home)
        sent = [each for each in seen if each.what == "sent" and each.at <= until]
        return Deliveries(sent, self._stage.receiver.receipts(), read_arrivals())

    def _begin(self) -> None:
        """Wait for the stack, and verify that it is right before anything strikes it.

        Raises:
            RunError: it is not.
        """
        await_stack(self._stage, self._loop)
        result, _ = self._conductor("the start").conduct(0, ())
        if result.has_failed:
            raise RunError(f"Without any fault: {reasons(result)}")
        self._terminal.say(f"Before any fault: {result.rows:,} rows are the same on both sides")

    def _play(self, seed: int) -> SeedResult:
        strikes = plan(seed, [fault.kind for fault in FAULTS.values()])
        result, evidence = self._conductor(f"seed {seed}").conduct(seed, strikes)
        self._terminal.say(summary(result))
        if result.has_failed:
            self._tell(result, evidence)
        return result

    def _tell(self, result: SeedResult, evidence: Evidence | None) -> None:
        """Show why a seed failed, and keep what it takes to understand it."""
        config = self._stage.config
        place = archive(config.home.parent / ARCHIVES, logs_of(config), result, evidence)
        words = f"seed {result.seed} failed:\n  {reasons(result)}\n  Its archive: {place}"
        self._terminal.say(words)

    def _conductor(self, name: str) -> Conductor:
        def show(text: str) -> None:
            self._line = f"{name}: {text}"

        return Conductor(self._stage, self._loop, show)
