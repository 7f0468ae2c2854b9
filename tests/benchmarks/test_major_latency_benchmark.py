"""How soon a change is valued, through real worker processes: alone, or as a major move in a burst.

Run with ``pytest -s tests/benchmarks/test_major_latency_benchmark.py``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles

import numpy as np
import pytest

from betting.config import Config
from betting.models import Market
from streaming.benchmark.contenders import answers
from streaming.core.snapshot import Snapshot
from streaming.ingest.ingest import IngestPolicy, ingest
from streaming.providers.registry import adapter
from streaming.runner.processes import value_workers
from streaming.tasks import send_changes
from tests.integration.conftest import all_valued, running, wait_until
from tests.support.snapshots import AWAY, HOME, event, make_provider, quote, snapshot
from valuation.models import RecomputeRun

MARKETS = 200
BOOKS = 10
STEP_SECONDS = 0.1
"""In each step every market moves a little, and one of them much."""

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _workers(
    servers: Config,
    redis: object,  # noqa: ARG001 - asks for a fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    with running(value_workers(servers), servers, tmp_path / "logs", monkeypatch):
        yield


def answer(step: int) -> Snapshot:
    """The market whose number is the step has jumped since the answer before."""
    return snapshot(
        [
            event(
                [
                    quote("b0", HOME, 1.95 + 0.001 * (step % 7)),
                    quote("b0", AWAY, 2.5 if number <= step else 1.9),
                    *(quote(f"b{n}", name, 1.95) for n in range(1, BOOKS) for name in (HOME, AWAY)),
                ],
                f"e{number}",
            )
            for number in range(MARKETS)
        ],
        step + 1,
        is_list=False,
    )


def test_major_moves_amid_a_burst() -> None:
    provider = make_provider()
    send_changes(ingest(provider.pk, answer(-1), IngestPolicy()).markets)
    wait_until(all_valued, "the first prices")
    before = RecomputeRun.objects.latest("id").pk

    committed, sent = [], []
    started = time.monotonic()
    for step in range(MARKETS):
        time.sleep(max(0.0, started + step * STEP_SECONDS - time.monotonic()))
        result = ingest(provider.pk, answer(step), IngestPolicy())
        committed.append(time.time())
        send_changes(result.markets)
        sent.append((time.time() - committed[-1]) * 1000)
    took = time.monotonic() - started
    wait_until(all_valued, "the last prices")

    # One message a step on a queue with one worker: the runs are in the order of the steps.
    runs = list(RecomputeRun.objects.filter(pk__gt=before, trigger="major").order_by("id"))
    assert len(runs) == MARKETS
    valued = [
        (run.finished_at.timestamp() - at) * 1000 for run, at in zip(runs, committed, strict=True)
    ]
    batches = RecomputeRun.objects.filter(pk__gt=before, trigger="batch")
    print(f"\n{MARKETS} steps in {took:.1f} s, {batches.count()} batches beside them")
    _tell("commit of the change to writing of its value", valued)
    _tell("of that, sending", sent)
    _tell("of that, the recompute", [run.duration_ms for run in runs])
    assert Market.objects.count() == MARKETS


def test_an_ordinary_change_of_an_idle_system() -> None:
    provider = make_provider()
    send_changes(ingest(provider.pk, answer(-1), IngestPolicy()).markets)
    wait_until(all_valued, "the first prices")
    latencies = []
    for step in range(60):
        time.sleep(0.6)  # both windows are over: the market is quiet again
        arrived = time.time()
        result = ingest(provider.pk, small_move(step), IngestPolicy())
        assert len(result.markets) == 1
        assert not result.markets[0].is_major
        send_changes(result.markets)
        wait_until(all_valued, "the price")
        written_at = RecomputeRun.objects.latest("id").finished_at.timestamp()
        latencies.append((written_at - arrived) * 1000)
    _tell("arrival of an ordinary change to writing of its value", latencies)


@pytest.mark.parametrize("others", [0, 20, 100])
def test_a_major_move_in_a_large_answer(others: int) -> None:
    """An answer of 2,000 quotes as The Odds API sends it; some other markets move a little."""
    provider = make_provider()
    request, prices = answers.request_of(0), np.full((answers.MARKETS_IN_ANSWER, BOOKS, 2), 1.95)
    starts_at, decoder = datetime.now(UTC) + answers.STARTS_IN, adapter(answers.ADAPTER).decoder()

    def take() -> tuple[float, float]:
        body = answers.body_of(0, prices, starts_at, datetime.now(UTC))
        arrived = time.time()
        taken = decoder.decode(request, answers.answer(body))
        result = ingest(provider.pk, taken, IngestPolicy())
        committed = time.time()
        send_changes(result.markets)
        return arrived, committed

    take()
    wait_until(all_valued, "the first prices")
    until_commit, until_value = [], []
    for step in range(40):
        moved = answers.MARKETS_IN_ANSWER - 1 - step
        prices[moved, 0, 1] = 2.5
        prices[:others, 1, 0] = 1.95 + 0.01 * ((step + 1) % 2)
        arrived, committed = take()
        wait_until(all_valued, "the prices")
        major = RecomputeRun.objects.filter(trigger="major").latest("id")
        until_commit.append((committed - arrived) * 1000)
        until_value.append((major.finished_at.timestamp() - arrived) * 1000)
    _tell(f"arrival to commit, {others} other markets moved a little", until_commit)
    _tell("arrival to writing of the major move's value", until_value)


def small_move(step: int) -> Snapshot:
    """An addition of one quote, whose price alternates."""
    moved = event([quote("b0", HOME, 1.96 + 0.01 * (step % 2))], "e0")
    return snapshot([moved], MARKETS + step + 2, is_list=False, is_complete=False)


def _tell(what: str, values_ms: list[float]) -> None:
    low, middle, high = quantiles(values_ms, n=4)
    tail = quantiles(values_ms, n=20)[-1]
    print(f"{what}: median {middle:.1f} ms (IQR {low:.1f} to {high:.1f}), p95 {tail:.1f} ms")
