"""A run against simulated providers for a set time: a burst from one of them, another one down."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from rich.console import Console

from betting.config import Config, WebConfig
from betting.db.outages import OUTAGES
from betting.models import Provider
from betting.runtime.supervisor import Program
from streaming.core.key_variables import SIMULATOR_KEY_ENV
from streaming.health.deadline import DeadlineError, within
from streaming.runner import processes, setup
from streaming.runner.environment import set_up, supervised
from streaming.runner.interrupts import Interrupts
from streaming.runner.ports import LOOPBACK, is_listening
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
from streaming.runner.terminal import Terminal

LIVELY, DOWN = "lively", "down"
"""The providers' keys."""

LEAVE_SECONDS = 5.0
"""The longest wait, at the end, for PostgreSQL to note that they are polled no more."""

_SPORTS = {LIVELY: ["soccer_epl"], DOWN: ["americanfootball_nfl", "baseball_mlb"]}
_POLL_SECONDS = 1.0
_STALE_AFTER_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Simulation:
    """The parameters of a simulation.

    Attributes:
        seconds: how long the providers are polled.
        seed: of the market and the faults.
        speed: market seconds per second; the higher, the more changes a poll brings.
    """

    seconds: float
    seed: int
    speed: float


def run_simulated(
    config: Config, console: Console, simulation: Simulation, *jobs: PeriodicJob
) -> RunReport:
    """Poll the simulated providers for a while, then wait until everything is valued.

    Raises:
        AlreadyRunningError, PortError, EmbeddedError: as `environment.set_up` does.
    """
    at = (LOOPBACK, config.web.simulator_port)
    with (
        Interrupts() as interrupts,
        set_up(config, [at]),
        Terminal(console) as terminal,
    ):
        stages = _stages(config, simulation)
        with supervised(stages, config, interrupts, terminal) as supervisor:
            activity = showing_activity(terminal, config)
            watching = watching_servers(config, terminal)
            loop = RunLoop(supervisor, interrupts, terminal, watching, activity, *jobs)
            stopwatch = Stopwatch.start()
            problem = _conduct(loop, config, simulation)
            return final_report(stopwatch.facts, lambda: problem)


def _conduct(loop: RunLoop, config: Config, simulation: Simulation) -> str:
    """Poll, then wait; return why that did not come to its end, if so."""
    try:
        loop.wait_until(lambda: is_listening(LOOPBACK, config.web.simulator_port), "The simulator")
        loop.wait_until(lambda: workers_answer(processes.nodes(config)), "The workers")
        loop.do(partial(_poll_providers, config.web))
        loop.wait(simulation.seconds)
        loop.do(_leave_providers_alone)
        loop.wait_until_idle(config.coalesce)
    except InterruptedRunError:
        return "Interrupted."
    except (RunError, *OUTAGES) as error:
        return str(error)
    finally:
        with suppress(DeadlineError, *OUTAGES):
            within(LEAVE_SECONDS, _leave_providers_alone)
    return ""


def _stages(config: Config, simulation: Simulation) -> list[list[Program]]:
    key = setup.simulator_key(config.home)
    options = ["--seed", str(simulation.seed), "--speed", str(simulation.speed)]
    for sport in _SPORTS[DOWN]:
        options += ["--fault", f"{sport}=503"]
    return [
        [processes.simulator(config, key, *options)],
        [*processes.value_workers(config), *processes.pollers(config, key)],
    ]


def _poll_providers(web: WebConfig) -> None:
    """Poll both from now on."""
    for key, sports in _SPORTS.items():
        Provider.objects.update_or_create(
            key=key,
            defaults={
                "adapter": "the_odds_api",
                "base_url": web.simulator_url,
                "sports": sports,
                "markets": ["h2h", "spreads", "totals"],
                "regions": ["eu", "uk"],
                "api_key_env": SIMULATOR_KEY_ENV,
                "interval_seconds": _POLL_SECONDS,
                "stale_after_seconds": _STALE_AFTER_SECONDS,
                "enabled": True,
                "next_poll_at": None,
            },
        )


def _leave_providers_alone() -> None:
    Provider.objects.filter(key__in=_SPORTS).update(enabled=False)
