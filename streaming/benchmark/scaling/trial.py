"""The measuring process, on servers that nobody else writes to."""

from __future__ import annotations

from datetime import UTC, datetime

from betting.config import Config
from betting.db.outages import OUTAGES
from betting.runtime.embedded.state import prepare_home
from betting.runtime.first_run import migrate
from streaming.benchmark.isolation import is_isolated
from streaming.benchmark.machine import this_machine
from streaming.benchmark.scaling.costs import measure_costs
from streaming.benchmark.scaling.document import Scaling, ScalingPlan
from streaming.benchmark.scaling.machines import measure_machines
from streaming.benchmark.trial import logging_to
from streaming.benchmark.waiting import BenchmarkError

_MEASURE = {"costs": measure_costs, "machines": measure_machines}


def run_scaling_plan(config: Config, plan: ScalingPlan) -> Scaling:
    """Measure what a plan asks for.

    Raises:
        BenchmarkError: the servers hold more than a benchmark, or the work was not done.
    """
    if not is_isolated(config):
        raise BenchmarkError("`manage.py benchmark costs` starts this, on servers of its own.")
    machine = this_machine()
    prepare_home(config.home)
    logs = config.home / "logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    with (logs / "feeder.log").open("w", encoding="utf-8") as log, logging_to(log):
        try:
            migrate()
            rows, figures = _MEASURE[plan.kind](config, plan)
        except OUTAGES as error:
            raise BenchmarkError(f"A server is away: {error}") from error
    return Scaling(datetime.now(UTC), plan, machine, rows, figures)
