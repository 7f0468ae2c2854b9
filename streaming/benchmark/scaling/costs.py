"""The costs of polls, quotes and changes, by polls over HTTP whose answers are made beforehand."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from betting.config import CHECKOUT, Config
from betting.models import Provider
from betting.runtime.supervisor import Program, Supervisor
from streaming import tasks
from streaming.benchmark.contenders import answers
from streaming.benchmark.profiles.grow import add_markets
from streaming.benchmark.scaling import late_guard, needs, storage
from streaming.benchmark.scaling.document import Row, ScalingPlan
from streaming.benchmark.scaling.meter import Meter, is_done
from streaming.benchmark.waiting import BenchmarkError, wait_until
from streaming.benchmark.workload import BOOKS, OUTCOMES, Burst, opening_prices, ordinary_burst
from streaming.models import PollRun
from streaming.runner.ports import LOOPBACK, is_listening
from streaming.runner.processes import node_name, pollers, value_workers
from streaming.runner.run_loop import workers_answer
from valuation.arrays import FloatArray

START_SECONDS = 60.0
REST_SECONDS = 0.6
"""Longer than batch and debounce together."""
POLLER = "worker-io"
KEY_ENV = "HARDLINE_KEY_BENCHMARK"
STILL_TIMES = 10
"""The polls that change nothing for each that does: one takes about a clock tick."""
_LARGE, _SMALL = 0, 1


@dataclass(frozen=True, slots=True)
class _Feed:
    """A provider of one sport, whose answer is a file that an HTTP server serves.

    Attributes:
        sport: its number.
        provider_id: its row.
        file: the answer.
        starts_at: of its events.
    """

    sport: int
    provider_id: int
    file: Path
    starts_at: datetime

    def body(self, prices: FloatArray) -> bytes:
        """Return the answer with some prices."""
        return answers.body_of(self.sport, prices, self.starts_at, datetime.now(UTC))


def measure_costs(config: Config, plan: ScalingPlan) -> tuple[list[Row], dict[str, float]]:
    """Measure all cases, the standing cost, and sizes.

    Args:
        config: of servers that nobody else writes to.
        plan: what is measured.

    Raises:
        BenchmarkError: a poll failed, or a process did not come up.
    """
    opening = opening_prices(answers.MARKETS_IN_ANSWER + 1, plan.seed)
    with _serving(config) as (root, port):
        feeds = [_feed(sport, root, port) for sport in (_LARGE, _SMALL)]
        with _running(config, value_workers(config)) as pids:
            rows = _polls(plan, opening, feeds, Meter({**pids, **_servers(plan)}, POLLER))
        figures = storage.redis_bytes(config)
        # Nothing is asked while the time passes that nothing happens in.
        Provider.objects.update(enabled=False)
        first = len(opening)
        added = max(plan.quotes // (BOOKS * OUTCOMES), first)
        add_markets(first, added, 1)
        figures |= storage.disk_bytes()
        with _running(config, [*value_workers(config), *pollers(config, "")]) as pids:
            meter = Meter({**pids, **_servers(plan)})
            rows.append(_standing(needs.STANDING, plan.standing_seconds, meter))
    return rows, figures | late_guard.costs(config, plan, opening[: answers.MARKETS_IN_ANSWER])


def _servers(plan: ScalingPlan) -> dict[str, list[int]]:
    return {name: [pid] for name, pid in plan.servers.items()}


def _polls(
    plan: ScalingPlan, opening: FloatArray, feeds: Sequence[_Feed], meter: Meter
) -> list[Row]:
    """Measure the cases of polls: each is valued before the next is made."""
    large, small = feeds
    for feed in feeds:
        feed.file.write_bytes(feed.body(opening))
        _poll(feed)
    wait_until(is_done, "the opening prices", looks_apart=100)
    found: dict[str, list[Row]] = {needs.SMALL: [], needs.LARGE: []}
    idle = _standing(needs.IDLE, plan.standing_seconds / 2, meter)
    # In turns, so that what grows or is cleaned up meanwhile favours none.
    for _ in range(STILL_TIMES):
        for (case, rows), feed in zip(found.items(), (small, large), strict=True):
            rows.append(_case(case, feed, plan.polls, meter))
    still = [storage.summed(case, rows) for case, rows in found.items()]
    return [idle, *still, *_changing(large, _bodies(plan, opening, large), meter)]


def _bodies(plan: ScalingPlan, opening: FloatArray, feed: _Feed) -> list[tuple[str, bytes, int]]:
    """Return answers that change each market once, and each ten times, in turn.

    Returns:
        For each answer the case, the body, and the number of changes.
    """
    found, prices = [], opening
    for step in range(2 * plan.polls):
        burst = ordinary_burst(
            opening, prices, range(answers.MARKETS_IN_ANSWER), plan.seed, step + 1
        )
        case = needs.MANY
        if step % 2 == 0:
            case, burst = needs.FEW, _of_book(burst, step // 2 % BOOKS)
        prices = burst.applied_to(prices)
        found.append((case, feed.body(prices), len(burst)))
    return found


def _of_book(burst: Burst, book: int) -> Burst:
    """Return the changes of one bookmaker: one of each market."""
    chosen = np.flatnonzero(burst.book == book)
    return Burst(
        burst.market[chosen], burst.book[chosen], burst.outcome[chosen], burst.price[chosen]
    )


def _case(case: str, feed: _Feed, polls: int, meter: Meter) -> Row:
    """Poll an answer that stays the same so many times."""
    _poll(feed)
    _settle()
    run, before = _newest_run(), meter.look()
    for _ in range(polls):
        _poll(feed)
    spent = meter.since(before)
    return Row(case, _done_since(run), spent)


def _changing(feed: _Feed, bodies: Sequence[tuple[str, bytes, int]], meter: Meter) -> list[Row]:
    """Poll answers that change something, each until that is valued; return a row a case."""
    found: dict[str, list[Row]] = {}
    for case, body, changes in bodies:
        _settle()
        run, before = _newest_run(), meter.look()
        feed.file.write_bytes(body)
        _poll(feed)
        wait_until(is_done, case, looks_apart=100)
        spent = meter.since(before)
        row = Row(case, _done_since(run), spent)
        if row.amounts["changes"] != changes:
            raise BenchmarkError(f"{case}: {row.amounts['changes']} were ingested.")
        found.setdefault(case, []).append(row)
    return [storage.summed(case, rows) for case, rows in found.items()]


def _settle() -> None:
    wait_until(is_done, "earlier work", looks_apart=100)
    time.sleep(REST_SECONDS)


def _newest_run() -> int:
    found = PollRun.objects.order_by("-pk").values_list("pk", flat=True).first()
    return found or 0


def _done_since(run: int) -> dict[str, float]:
    """Return the amounts of the polls since a run.

    Raises:
        BenchmarkError: one was not answered.
    """
    runs = list(PollRun.objects.filter(pk__gt=run).values_list("outcome", "quotes_seen", "changes"))
    if failed := {outcome for outcome, _, _ in runs if outcome != "ok"}:
        raise BenchmarkError(f"Polls were {', '.join(sorted(failed))}.")
    return {
        "polls": len(runs),
        "quotes": sum(quotes or 0 for _, quotes, _ in runs),
        "changes": sum(changes or 0 for _, _, changes in runs),
    }


def _poll(feed: _Feed) -> None:
    tasks.poll_provider(feed.provider_id)


def _standing(case: str, seconds: float, meter: Meter) -> Row:
    """Let time pass while nothing is polled."""
    time.sleep(REST_SECONDS)
    before = meter.look()
    time.sleep(seconds)
    spent = meter.since(before)
    return Row(case, {"seconds": spent.seconds}, spent)


def _feed(sport: int, root: Path, port: int) -> _Feed:
    """Make a provider of one sport, and the place of its answer."""
    path = answers.request_of(sport).path
    file = root / path.removeprefix("/")
    file.parent.mkdir(parents=True)
    provider = Provider.objects.create(
        key=f"benchmark{sport}",
        adapter=answers.ADAPTER,
        base_url=f"http://{LOOPBACK}:{port}",
        sports=[answers.sport_key(sport)],
        markets=["h2h"],
        regions=["eu"],
        api_key_env=KEY_ENV,
        stale_after_seconds=86_400.0,
    )
    return _Feed(sport, provider.pk, file, datetime.now(UTC) + answers.STARTS_IN)


@contextmanager
def _serving(config: Config) -> Iterator[tuple[Path, int]]:
    """Serve files over HTTP, in a process whose CPU time is nobody's."""
    root, port = config.home / "answers", config.web.simulator_port
    root.mkdir()
    command = (
        sys.executable, "-m", "http.server", str(port), "--bind", LOOPBACK, "--directory",
        str(root),
    )  # fmt: skip
    supervisor = Supervisor([[Program("provider", command, CHECKOUT)]], config.home / "logs")
    supervisor.start()
    try:
        wait_until(lambda: is_listening(LOOPBACK, port), "the provider", START_SECONDS)
        yield root, port
    finally:
        supervisor.stop()


@contextmanager
def _running(config: Config, programs: Sequence[Program]) -> Iterator[dict[str, list[int]]]:
    """Run processes while the block runs; yield role → its root process."""
    with running(config, programs, lambda name: node_name(name, config.home)) as pids:
        yield pids


@contextmanager
def running(
    config: Config, programs: Sequence[Program], node_of: Callable[[str], str]
) -> Iterator[dict[str, list[int]]]:
    """Run processes until the block ends, of which the workers answer before it begins.

    Args:
        config: where their logs go.
        programs: the processes.
        node_of: program → the worker's name on the broker.
    """
    logs = config.home / "logs"
    nodes = [node_of(each.name) for each in programs if each.name.startswith("worker")]
    supervisor = Supervisor([programs], logs)
    supervisor.start()
    try:
        wait_until(lambda: workers_answer(nodes), "the workers", START_SECONDS, looks_apart=0)
        yield {name: [pid] for name, pid in supervisor.pids().items()}
    finally:
        supervisor.stop()
