"""Value workers of two state directories, as those of two machines, that share the servers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from django.db import connection

from betting.config import Config
from betting.models import Market
from betting.runtime.embedded.state import prepare_home
from betting.runtime.supervisor import Program
from streaming.benchmark.contenders.hardline import Hardline
from streaming.benchmark.contenders.verification import verify
from streaming.benchmark.scaling.costs import running
from streaming.benchmark.scaling.document import Row, ScalingPlan, Spent
from streaming.benchmark.scaling.meter import Meter, is_done
from streaming.benchmark.waiting import BenchmarkError, wait_until
from streaming.benchmark.workload import opening_prices, ordinary_burst
from streaming.runner.processes import node_name, value_workers
from valuation.tasks import send_recomputes

MACHINES = ("machine A", "machine B")
FEEDER = "feeder"
MESSAGE_MARKETS = 50
"""The markets of a message, fewer than the most, so that each worker gets several."""
_MAKE_STALE = "UPDATE betting_market SET version = version + 1, dirty_at = clock_timestamp()"


def measure_machines(config: Config, plan: ScalingPlan) -> tuple[list[Row], dict[str, float]]:
    """Have markets valued, and a burst of changes, by each number of workers.

    Args:
        config: of servers that nobody else writes to; its state directory holds those of the
            machines.
        plan: what is measured.

    Raises:
        BenchmarkError: the values are wrong, or a process did not come up.
    """
    hardline = Hardline(config)
    opening = opening_prices(plan.markets, plan.seed)
    homes = [config.home / name.replace(" ", "-") for name in MACHINES]
    for home in homes:
        prepare_home(home)
        (home / "logs").mkdir(mode=0o700, exist_ok=True)
    rows: list[Row] = []
    prices = opening
    with _workers(config, homes, 1):
        hardline.lay(opening)
    step = 0
    for number in range(plan.rounds):
        # The other way round each time, so that what grows meanwhile favours none.
        for workers in plan.workers if number % 2 == 0 else plan.workers[::-1]:
            with _workers(config, homes, workers) as pids:
                servers = {name: [pid] for name, pid in plan.servers.items()}
                meter = Meter({**pids, **servers}, FEEDER)
                _value_all(meter)  # connections and caches are there from now on
                rows.append(_row("markets valued", workers, plan.markets, _value_all(meter)))
                step += 1
                burst = ordinary_burst(opening, prices, range(plan.markets), plan.seed, step)
                feed, prices = hardline.prepare(burst, prices), burst.applied_to(prices)
                before = meter.look()
                feed()
                wait_until(is_done, "the values", looks_apart=100)
                spent = meter.since(before)
                rows.append(_row("changes ingested and valued", workers, len(burst), spent))
            wrong = verify(hardline.name, hardline.outcome(), prices, config.valuation)
            if wrong:
                raise BenchmarkError(f"{wrong} fair prices are wrong, with {workers} workers.")
    return rows, {}


def _row(what: str, workers: int, amount: int, spent: Spent) -> Row:
    unit = what.split(maxsplit=1)[0]
    named = f"{workers} worker{'s' if workers > 1 else ''}"
    return Row(f"{what}, {named}", {unit: amount, "workers": workers}, spent)


def _value_all(meter: Meter) -> Spent:
    """Have every market valued once more."""
    with connection.cursor() as cursor:
        cursor.execute(_MAKE_STALE)
    ids = list(Market.objects.order_by("pk").values_list("pk", flat=True))
    before = meter.look()
    for first in range(0, len(ids), MESSAGE_MARKETS):
        send_recomputes(ids[first : first + MESSAGE_MARKETS], "batch")
    wait_until(is_done, "the values", looks_apart=100)
    return meter.since(before)


@contextmanager
def _workers(config: Config, homes: Sequence[Path], workers: int) -> Iterator[dict[str, list[int]]]:
    """Run so many processes of value workers, half of them on each machine."""
    shares = [workers - workers // 2, workers // 2]
    with ExitStack() as stack:
        pids = {}
        for machine, home, share in zip(MACHINES, homes, shares, strict=True):
            if share:
                found = stack.enter_context(_machine(config, home, share))
                pids[machine] = [pid for each in found.values() for pid in each]
        yield pids


@contextmanager
def _machine(config: Config, home: Path, processes: int) -> Iterator[dict[str, list[int]]]:
    """Run the value workers of a state directory, the one for major moves included."""
    own = replace(config, home=home, celery=replace(config.celery, value_processes=processes))
    programs = [_of_home(each, home) for each in value_workers(own)]
    with running(own, programs, lambda name: node_name(name, home)) as pids:
        yield pids


def _of_home(program: Program, home: Path) -> Program:
    return replace(program, environ={**program.environ, "HARDLINE_HOME": str(home)})
