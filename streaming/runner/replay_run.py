"""A run that replays recordings instead of polling, through the same workers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

from msgspec import structs
from rich.console import Console

from betting.config import Config
from betting.db.outages import OUTAGES
from betting.logs import note
from betting.timing import SWEEP_SECONDS
from streaming.core.failures import ProviderFailure
from streaming.models import PollOutcome, PollRun
from streaming.runner import processes
from streaming.runner.background import Background
from streaming.runner.environment import set_up, supervised, where_to_look
from streaming.runner.interrupts import Interrupts
from streaming.runner.replay import Pace, Player, Recordings, ReplayError
from streaming.runner.report import RunReport, Stopwatch, final_report
from streaming.runner.run_loop import (
    InterruptedRunError,
    PeriodicJob,
    RunError,
    RunLoop,
    showing_activity,
    workers_answer,
)
from streaming.runner.server_watch import watching_servers
from streaming.runner.summary import RunFacts
from streaming.runner.terminal import Terminal
from streaming.tasks import sweep
from valuation.closes import take as closes


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay: its recordings, its speed and its end.

    Attributes:
        recordings: the answers.
        speed: recorded seconds per second; infinite for as fast as can be.
        until_idle: end when everything is valued and closed, rather than when interrupted.
    """

    recordings: Recordings
    speed: float
    until_idle: bool


def run_replay(config: Config, console: Console, replay: Replay, *jobs: PeriodicJob) -> RunReport:
    """Replay recordings and have everything valued; run the jobs meanwhile.

    Nothing is polled meanwhile: there is no beat, and this process sweeps in its stead. The
    consoles run unless the replay ends when all is valued.

    Raises:
        AlreadyRunningError, PortError, EmbeddedError: as `environment.set_up` does.
    """
    web = config.web
    ports = [] if replay.until_idle else [(web.host, web.port), (web.host, web.flower_port)]
    with (
        Interrupts() as interrupts,
        set_up(config, ports) as login,
        Terminal(console, replay.recordings.responses) as terminal,
    ):
        consoles = [] if replay.until_idle else processes.consoles(config, login.password)
        workers = [*processes.value_workers(config), *processes.deliverers(config)]
        stages = [workers, consoles]
        with supervised(stages, config, interrupts, terminal) as supervisor:
            sweeping = PeriodicJob(SWEEP_SECONDS, Background(sweep))
            activity = showing_activity(terminal, config)
            for warning in replay.recordings.warnings():
                terminal.say(f"warning: {warning}")
                note("streaming", "replay", warning, status="degraded")
            watching = watching_servers(config, terminal)
            loop = RunLoop(supervisor, interrupts, terminal, watching, activity, sweeping, *jobs)
            if not replay.until_idle:
                terminal.say(where_to_look(config, login, is_terminal=terminal.is_terminal))
            stopwatch = Stopwatch.start()
            problem = _conduct(loop, terminal, config, replay)
            return final_report(
                lambda: _facts(stopwatch, replay),
                lambda: problem or _failed_polls(stopwatch),
            )


def _conduct(loop: RunLoop, terminal: Terminal, config: Config, replay: Replay) -> str:
    """Replay, then wait; return why that did not come to its end, if so."""
    try:
        loop.wait_until(lambda: workers_answer(processes.nodes(config)), "The workers")
        _play(loop, terminal, config, replay)
        if replay.until_idle:
            loop.wait_until_idle(config.coalesce)
            _close(loop, config)
        else:
            loop.wait_for_ever()
    except InterruptedRunError:
        return "Interrupted." if replay.until_idle else ""
    except (RunError, ReplayError, ProviderFailure, *OUTAGES) as error:
        return str(error)
    return ""


def _play(loop: RunLoop, terminal: Terminal, config: Config, replay: Replay) -> None:
    player = Player(config)
    pace = Pace(replay.speed, replay.recordings.first_at, time.monotonic())
    for number, record in enumerate(replay.recordings.records(), start=1):
        loop.wait(pace.wait_seconds(record.received_at, time.monotonic()))
        loop.do(partial(player.play, record))
        terminal.done(number)


def _close(loop: RunLoop, config: Config) -> None:
    """Take the closing prices that are left; a sweep takes a few of them each second."""
    while loop.do(closes.are_due):
        loop.do(lambda: closes.take(config.valuation))


def _facts(stopwatch: Stopwatch, replay: Replay) -> RunFacts:
    return structs.replace(stopwatch.facts(), lines_left_out=replay.recordings.lines_left_out)


def _failed_polls(stopwatch: Stopwatch) -> str:
    failed = PollRun.objects.filter(id__gt=stopwatch.since.poll, outcome=PollOutcome.FAILED)
    first = failed.order_by("id").first()
    if first is None:
        return ""
    return f"{failed.count()} answers were not ingested; the first: {first.failure_message}"
