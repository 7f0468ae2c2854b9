"""A run of chaos: the stack is started once, and seed after seed is played against it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import NoReturn

from django.db import connection
from msgspec import structs
from rich.console import Console

from betting.config import CHECKOUT, Config
from betting.config.servers import only_servers
from betting.runtime.embedded import remove_state
from betting.runtime.first_run import Login
from betting.runtime.supervisor import (
    Program,
    SupervisionPolicy,
    leftovers,
)
from streaming.benchmark.machine import this_machine
from streaming.chaos.archive import archive
from streaming.chaos.conduct import Conductor
from streaming.chaos.document import ChaosResult, SeedResult
from streaming.chaos.faults import FAULTS
from streaming.chaos.feeds import enable, serving
from streaming.chaos.oracle import start_empty
from streaming.chaos.plan import plan
from streaming.chaos.report import reasons, summary
from streaming.chaos.stage import Stage
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
from streaming.simulator.running import API_KEY

HOME = "chaos"
ARCHIVES = "chaos-archives"

#: A process that an earlier seed has ended is no crash loop: each seed finds the first wait.
SUPERVISION = SupervisionPolicy(steady_seconds=5.0)

_SHOW_SECONDS = 0.2
_WITH_POINTS = {"DJANGO_SETTINGS_MODULE": "streaming.chaos.settings"}


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
        # The simulators are on this machine.
        "HARDLINE_POLL_ALLOW_PRIVATE_NETWORKS": "true",
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
    if config.database_url or config.redis_url or config.broker_url:
        raise RunError("Chaos strikes private servers alone.")
    config = replace(config, web=replace(config.web, port=free_port()))
    result = _run(config, console, task)
    remove_state(config)  # that of a run which did not come to its end has the logs that say why
    return result


def _run(config: Config, console: Console, task: Task) -> ChaosResult:
    with (
        Interrupts() as interrupts,
        set_up(config, [(config.web.host, config.web.port)]) as login,
        Terminal(console, responses=len(task.seeds)) as terminal,
        serving(task.market_seed) as feeds,
    ):
        connection.close()
        start_empty(config)
        stages = _stages(config, login)
        with supervised(stages, config, interrupts, terminal, SUPERVISION) as supervisor:
            programs = {program.name: program for program in chain.from_iterable(stages)}
            stage = Stage(config, supervisor, programs, feeds)
            result = _Session(stage, interrupts, terminal).play(task)
        left_over = tuple(f"{each.pid} {each.name()}" for each in leftovers(logs_of(config)))
    return structs.replace(result, left_over=left_over)


class _Session:
    """The seeds of a run, against its processes."""

    def __init__(self, stage: Stage, interrupts: Interrupts, terminal: Terminal) -> None:
        self._stage = stage
        self._terminal = terminal
        self._line = "starting"
        watching = watching_servers(stage.config, terminal, SUPERVISION)
        showing = PeriodicJob(_SHOW_SECONDS, lambda: terminal.summarise(self._line))
        self._loop = RunLoop(stage.supervisor, interrupts, terminal, watching, showing)

    def play(self, task: Task) -> ChaosResult:
        self._begin()
        machine = self._loop.do(this_machine)
        results = []
        with suppress(InterruptedRunError):
            for number, seed in enumerate(task.seeds, start=1):
                results.append(self._play(seed))
                self._terminal.done(number)
        return ChaosResult(task.market_seed, machine, datetime.now(UTC), tuple(results))

    def _begin(self) -> None:
        """Wait for the stack, and verify that it is right before anything strikes it.

        Raises:
            RunError: it is not.
        """
        config = self._stage.config
        web = (config.web.host, config.web.port)
        self._loop.wait_until(lambda: is_listening(*web), "The web server")
        self._loop.wait_until(lambda: workers_answer(processes.nodes(config)), "The workers")
        urls = {key: server.base_url for key, server in self._stage.feeds.servers.items()}
        self._loop.do(lambda: enable(urls))
        result, _ = self._conductor("the start").conduct(0, ())
        if result.has_failed:
            raise RunError(f"Without any fault: {reasons(result)}")
        self._terminal.say(f"Before any fault: {result.rows:,} rows are the same on both sides")

    def _play(self, seed: int) -> SeedResult:
        strikes = plan(seed, [fault.kind for fault in FAULTS.values()])
        result, evidence = self._conductor(f"seed {seed}").conduct(seed, strikes)
        self._terminal.say(summary(result))
        if result.has_failed:
            config = self._stage.config
            place = archive(config.home.parent / ARCHIVES, logs_of(config), result, evidence)
            self._terminal.say(f"  {reasons(result)}\n  Its archive: {place}")
        return result

    def _conductor(self, name: str) -> Conductor:
        def show(text: str) -> None:
            self._line = f"{name}: {text}"

        return Conductor(self._stage, self._loop, show)


def _stages(config: Config, login: Login) -> list[list[Program]]:
    consoles = processes.consoles(config, login.password)
    workers = [*processes.value_workers(config), *processes.pollers(config, API_KEY)]
    return [
        [replace(each, environ={**each.environ, **_WITH_POINTS}) for each in workers],
        [program for program in consoles if program.name == "web"],
    ]
