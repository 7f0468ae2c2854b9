"""A recording of the health checks while faults strike: long ones, and such as heal by themselves.

Each episode begins with a stream that is well and has no past, so that the windows of five minutes
and an hour hold nothing of those before. The checks are looked at from outside, every second, as
`/health/` does at each request: while beat or a worker is down, nobody else would look.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from random import Random

from django.db import connection
from rich.console import Console

from betting.config import Config
from betting.db.sql import execute
from betting.models import Provider
from betting.runtime.embedded import remove_state
from streaming.benchmark.health.recording import Class, Episode, Recorder, Recording
from streaming.benchmark.machine import this_machine
from streaming.chaos.conduct import AWAY, NO_EFFECT
from streaming.chaos.faults import FAULTS
from streaming.chaos.run import SHOW_SECONDS, await_stack, staged, with_free_ports
from streaming.chaos.stage import Stage
from streaming.chaos.supervising import SUPERVISION
from streaming.core.health import Check, Status
from streaming.health.report import build_report
from streaming.models import HealthSnapshot
from streaming.runner.run_loop import InterruptedRunError, PeriodicJob, RunLoop
from streaming.runner.server_watch import watching_servers

EVERY_SECONDS = 1.0
STALE_AFTER_SECONDS = 20.0
"""The silence after which a provider's prices leave the board."""

CALM_SECONDS = (10.0, 20.0)
LONG_SECONDS = (40.0, 50.0)
AFTER_BLIP_SECONDS = 25.0
PATIENCE_SECONDS = 75.0
"""The longest wait for the stream to be well again before an episode."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One episode to be made.

    Attributes:
        fault: the name of a fault.
        kind: its class.
        seconds: the shortest and longest time until it ends.
    """

    fault: str
    kind: Class
    seconds: tuple[float, float]


PLANS: Sequence[Plan] = (
    *(
        Plan(fault, "fault", LONG_SECONDS)
        for fault in (
            "provider hangs",
            "provider answers 503",
            "worker stopped",
            "worker stopped",
            "pool process stopped",
            "beat stopped",
            "PostgreSQL stopped",
            "PostgreSQL slow",
            "PostgreSQL read-only",
            "table locked",
            "Redis stopped",
            "Redis full",
        )
    ),
    *(
        Plan(fault, "blip", seconds)
        for fault, seconds in {
            "provider answers 503": (2.0, 6.0),
            "worker killed": (0.5, 0.5),
            "all workers killed": (0.5, 0.5),
            "beat stopped": (4.0, 8.0),
            "PostgreSQL killed": (0.5, 0.5),
            "PostgreSQL slow": (3.0, 6.0),
            "table locked": (2.0, 5.0),
            "Redis stopped": (3.0, 6.0),
            "Redis killed": (0.5, 0.5),
            "rolling restart": (9.0, 9.0),
        }.items()
    ),
    Plan("subscriber refuses", "minor", LONG_SECONDS),
)


def record(config: Config, console: Console, seed: int, count: int = len(PLANS)) -> Recording:
    """Let the faults of all plans strike once each, until somebody asks to stop; record the checks.

    Args:
        config: of a process that `run.run_again_apart` made.
        console: the output for people.
        seed: of the order, the victims and the lengths.
        count: of the episodes, at most one for each plan.

    Raises:
        RunError: the stack did not start, or somebody asked to stop before that.
        AlreadyRunningError, PortError, EmbeddedError: as `environment.set_up` does.
    """
    config = with_free_ports(config)
    with staged(config, console, seed, count) as (stage, interrupts, terminal):
        line = ["starting"]
        watching = watching_servers(config, terminal, SUPERVISION)
        showing = PeriodicJob(SHOW_SECONDS, lambda: terminal.summarise(line[0]))
        loop = RunLoop(stage.outer, interrupts, terminal, watching, showing)
        _begin(stage, loop)
        machine = loop.do(this_machine).processor
        chance = Random(seed)  # noqa: S311 - repeatable chance, not a secret
        episodes: list[Episode] = []
        with suppress(InterruptedRunError):
            for number, plan in enumerate(chance.sample(PLANS, count), start=1):
                line[0] = f"{plan.kind}: {plan.fault}"
                episodes.append(_play(stage, loop, plan, chance))
                wrong = ", ".join(sorted(set(_statuses(episodes[-1]))))
                terminal.say(f"{plan.kind} {plan.fault}: {wrong or 'every check passed'}")
                terminal.done(number)
    remove_state(config)
    return Recording(seed, machine, EVERY_SECONDS, tuple(episodes))


def _begin(stage: Stage, loop: RunLoop) -> None:
    await_stack(stage, loop)
    loop.do(lambda: Provider.objects.update(stale_after_seconds=STALE_AFTER_SECONDS))
    # A start is judged with leniency: no episode begins before that is over.
    loop.wait(stage.config.health.starting_seconds)


def _play(stage: Stage, loop: RunLoop, plan: Plan, chance: Random) -> Episode:
    calm, seconds = chance.uniform(*CALM_SECONDS), chance.uniform(*plan.seconds)
    choice = chance.randrange(1 << 16)
    _wait_until_well(stage.config, loop)
    with _looking(stage.config) as (recorder, clock):
        loop.wait(calm)
        struck_at = clock()
        with ExitStack() as fault:
            with suppress(*NO_EFFECT):
                fault.enter_context(FAULTS[plan.fault].strike(stage, choice))
            loop.wait(seconds)
            ended_at = clock()
            with suppress(*NO_EFFECT):
                fault.close()
        if plan.kind == "blip":
            loop.wait(AFTER_BLIP_SECONDS)
        looks = recorder.looks()
    return Episode(plan.fault, plan.kind, round(struck_at, 2), round(ended_at, 2), looks)


def _wait_until_well(config: Config, loop: RunLoop) -> None:
    """Wait until every check passes, forget the past, and wait for a snapshot that passes too.

    A stream that does not become well is recorded as it is: its calm shows it.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with suppress(*AWAY):
            loop.do(_forget)
            since = time.monotonic()
            while time.monotonic() < min(deadline, since + 2 * config.health.interval_seconds):
                loop.wait(EVERY_SECONDS)
                has_snapshot = loop.do(HealthSnapshot.objects.exists)
                if has_snapshot and loop.do(lambda: _is_well(config)):
                    return
        loop.wait(EVERY_SECONDS)


def _is_well(config: Config) -> bool:
    return all(each.status is Status.PASS for each in _look(config))


def _look(config: Config) -> Sequence[Check]:
    return build_report(config).checks


def _forget() -> None:
    """Remove what windows would show of earlier episodes, and let subscribers be asked again."""
    for statement in _FORGET:
        execute(statement, {})


_FORGET = (
    # The rows stay, for the newest one says that providers are polled.
    "UPDATE streaming_pollrun SET changes = 0 WHERE changes > 0",
    "DELETE FROM valuation_recomputerun",
    "DELETE FROM streaming_deliveryrun",
    "DELETE FROM streaming_deadletteroccurrence",
    "DELETE FROM streaming_healthsnapshot",
    """
    UPDATE streaming_subscriberrecord
    SET suppressions = 0, suppressed_until = NULL, probe_until = NULL
    """,
)


@contextmanager
def _looking(config: Config) -> Iterator[tuple[Recorder, Callable[[], float]]]:
    """Look at the checks every second, in a thread, until the block ends."""
    recorder, is_over, began_at = Recorder(), threading.Event(), time.monotonic()

    def clock() -> float:
        return time.monotonic() - began_at

    def look() -> None:
        while not is_over.wait(EVERY_SECONDS):
            recorder.add(clock(), _look(config))
        connection.close()

    thread = threading.Thread(target=look, name="look", daemon=True)
    thread.start()
    try:
        yield recorder, clock
    finally:
        is_over.set()
        thread.join()


def _statuses(episode: Episode) -> Iterator[str]:
    for _at, checks in episode.moments():
        for check in checks:
            if check.status is not Status.PASS:
                yield f"{check.name} {check.status.value}"
