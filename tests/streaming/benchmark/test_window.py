"""A window: what of it is counted, and what of its surroundings is not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from streaming.benchmark.aggregates import Usage
from streaming.benchmark.baseline import Baseline
from streaming.benchmark.window import Sample, Window, measure
from streaming.models import DeadLetterOccurrence
from streaming.runner.backlog import Backlog
from tests.support.rows import (
    NOON,
    make_change,
    make_delivery_run,
    make_feed,
    make_market,
    make_outcome,
    make_poll_run,
    make_provider,
    make_quote,
    make_recompute_run,
    make_transition,
)

pytestmark = pytest.mark.django_db

WINDOW = Window(NOON, NOON + timedelta(seconds=60))
INSIDE, OUTSIDE = NOON + timedelta(seconds=30), NOON + timedelta(seconds=60)


def measured(*samples: Sample, **options: Any) -> Baseline:
    return measure(WINDOW, samples, **{"overdue_after_ms": 0, **options})


def test_a_window_counts_its_own_rows_and_none_before_or_after() -> None:
    provider = make_provider()
    quote = make_quote(make_outcome(make_market(), "Over"), make_feed(provider))
    for at in (NOON - timedelta(seconds=1), NOON, INSIDE, OUTSIDE):
        make_poll_run(provider, started_at=at, outcome="ok", duration_ms=10.0, changes=3)
        make_recompute_run(finished_at=at, duration_ms=5.0, markets=4, valued=2)
        make_change(quote, recorded_at=at)
        make_transition(provider, recorded_at=at, from_state="closed", to_state="open")
        make_delivery_run("webhook:mine", started_at=at, outcome="delivered")
        DeadLetterOccurrence.objects.create(end=uuid4(), kind="exception", seen_at=at)
    baseline = measured()
    assert baseline.cycles.duration_ms.count == 2
    assert baseline.cycles.changes.mean == 3.0
    assert baseline.cycles.polling_seconds == 30.0
    assert sum(baseline.changes.values()) == 2
    assert (baseline.recomputes.messages, baseline.recomputes.markets_asked) == ({"batch": 2}, 8)
    assert (baseline.recomputes.markets_valued, baseline.recomputes.changes_per_recompute) == (
        4, 0.25,
    )  # fmt: skip
    assert baseline.providers[provider.key].transitions == {"closed → open": 2}
    assert baseline.deliveries.delivered == 2
    # Two polls, two recomputes and two deliveries.
    assert (baseline.failures.dead_letters, baseline.failures.work) == (2, 6)


def test_a_provider_is_judged_by_the_calls_that_were_made() -> None:
    provider = make_provider()
    failed = {"outcome": "failed", "failure_kind": "transient", "failure_code": "http_503"}
    for fields in ({"outcome": "ok"}, failed, failed, {"outcome": "refused"}):
        make_poll_run(provider, started_at=INSIDE, duration_ms=8.0, **fields)
    figures = measured().providers[provider.key]
    assert (figures.calls, figures.failures, figures.refused) == (3, 2, 1)
    assert figures.failure_codes == {"http_503": 2}
    assert figures.success_rate == pytest.approx(1 / 3)
    assert figures.latency_ms.count == 3


def test_a_market_is_left_unvalued_once_it_has_waited_beyond_the_bound() -> None:
    make_market(version=2, valued_version=1, dirty_at=INSIDE)
    make_market(version=2, valued_version=2)
    assert measured(overdue_after_ms=29_000).overdue_markets == 1
    assert measured(overdue_after_ms=30_000).overdue_markets == 0
    assert measured().markets == 2


def test_samples_become_the_backlog_and_each_programs_use() -> None:
    one = Sample(Backlog(5, 4, 3, 2), {"worker-io": {7: Usage(1.0, 1_000, 900, 2.0)}})
    two = Sample(Backlog(7, 4, 1, 0), {"worker-io": {7: Usage(1.0, 3_000, 900, 2.5)}, "beat": {}})
    baseline = measured(one, two)
    assert (baseline.backlog.stale_markets.max, baseline.backlog.queued_messages.mean) == (7, 2.0)
    used = baseline.processes["worker-io"]
    assert (used.memory_bytes_mean, used.memory_bytes_max, used.cpu_seconds) == (
        2_000.0,
        3_000,
        0.5,
    )


def test_a_window_in_which_nothing_happened_claims_nothing() -> None:
    baseline = measured()
    assert baseline.cycles.duration_ms.p95 is None
    assert baseline.recomputes.changes_per_recompute is None
    assert (baseline.changes, baseline.processes, baseline.failures.rate) == ({}, {}, None)
