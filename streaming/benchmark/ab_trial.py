"""One trial of an A/B comparison: a whole run on a state directory of its own, measured."""

from __future__ import annotations

import math

import msgspec
from django.db.models import Min
from rich.console import Console

from betting.config import Config
from betting.models import Provider
from betting.runtime.embedded import used
from betting.runtime.first_run import migrate
from streaming.benchmark.baseline import Baseline
from streaming.benchmark.capture import SAMPLE_SECONDS, Capture
from streaming.runner.replay import Recordings
from streaming.runner.replay_run import Replay, run_replay
from streaming.runner.run_loop import PeriodicJob
from streaming.runner.simulated_run import Simulation, run_simulated
from valuation.models import FairPrice


class TrialError(Exception):
    """A trial cannot begin, or did not come to its end; the message says why."""


class Trial(msgspec.Struct, frozen=True):
    """The result of a trial.

    Attributes:
        baseline: what it measured.
        fair_prices: outcome → probability at its end, of those that have one.
        problem: why it did not come to its end; empty when it did.
    """

    baseline: Baseline
    fair_prices: dict[str, float]
    problem: str = ""


def run_trial(
    config: Config, console: Console, trial_of: Recordings | Simulation, label: str
) -> Trial:
    """Run, until everything is valued, and measure.

    Args:
        config: with the hardening on, or off.
        console: the output for people.
        trial_of: recordings that are replayed as fast as can be, or a simulation.
        label: its name, for people.

    Raises:
        AlreadyRunningError, PortError, EmbeddedError: as `environment.set_up` does.
        TrialError: the database is not empty, and the trial would add to it.
    """
    with used(config):
        migrate()
        if Provider.objects.exists():
            raise TrialError("A trial begins with an empty database: set HARDLINE_HOME to another.")
        capture = Capture(config)
        sampling = PeriodicJob(SAMPLE_SECONDS, capture.sample)
        if isinstance(trial_of, Simulation):
            report = run_simulated(config, console, trial_of, sampling)
        else:
            replay = Replay(trial_of, math.inf, until_idle=True)
            report = run_replay(config, console, replay, sampling)
        # No message is under way any more: every market that is stale now was lost.
        baseline = capture.finish(overdue_after_ms=0, label=label)
        return Trial(baseline, fair_prices(), report.problem)


def fair_prices() -> dict[str, float]:
    """Return outcome → probability, by names that are the same in every database.

    Outcomes without a fair price are left out: whether such an outcome has a row depends on whether
    it was ever valued while a bookmaker quoted it.
    """
    rows = FairPrice.objects.annotate(event=Min("market__event__aliases__external_id")).values_list(
        "event",
        "market__kind",
        "market__period",
        "market__participant",
        "outcome__name",
        "outcome__point",
        "probability",
    )
    return {
        "|".join("" if part is None else str(part) for part in names): probability
        for *names, probability in rows.iterator()
        if probability is not None
    }
