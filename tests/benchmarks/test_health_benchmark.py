"""How long health takes to answer over a million rows of history.

Run with ``pytest tests/benchmarks/test_health_benchmark.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from betting.config import get_config
from streaming.health.snapshots import take_snapshot
from tests.support import rows

RUNS = 500_000
SNAPSHOTS = 17_280
"""Two days of them, the default retention."""

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

_FILL = """
INSERT INTO valuation_recomputerun
    (trigger, finished_at, duration_ms, markets, valued, edges_opened, edges_closed,
     latency_counts, latency_ms_sum)
SELECT (ARRAY['major', 'batch', 'sweep'])[1 + i %% 3], now() - i * interval '1 second', 3, 20, 20,
       1, 1, ARRAY[1, 2, 3, 4, 5, 2, 1, 1, 1, 0, 0, 0, 0], 1200
FROM generate_series(1, %(runs)s) AS i;
INSERT INTO streaming_pollrun (provider_id, feed, started_at, outcome, duration_ms, changes)
SELECT %(provider)s, '/odds', now() - i * interval '1 second', 'ok', 80, 200
FROM generate_series(1, %(runs)s) AS i;
INSERT INTO streaming_healthsnapshot
    (taken_at, status, score, checks, workers, counted_until, totals, hints_dropped)
SELECT now() - i * interval '10 seconds', 'pass', 100, s.checks, s.workers,
       now() - (i + 3) * interval '10 seconds', s.totals, 0
FROM generate_series(%(snapshots)s, 1, -1) AS i, streaming_healthsnapshot s;
"""


@pytest.fixture(autouse=True)
def _history() -> Iterator[None]:
    provider = rows.make_provider()
    rows.make_feed(provider)
    take_snapshot(get_config())
    filled = {"runs": RUNS, "provider": provider.pk, "snapshots": SNAPSHOTS}
    with connection.cursor() as cursor:
        cursor.execute(_FILL, filled)
        cursor.execute("ANALYZE")
    yield
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/health/", "/metrics"])
def test_an_endpoint(benchmark: Any, client: Client, path: str) -> None:
    response = benchmark.pedantic(client.get, (path,), rounds=50, warmup_rounds=3)
    assert response.status_code in {200, 503}


def test_a_snapshot(benchmark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streaming.health.servers.consumers", lambda _seconds: {})
    take_snapshot(get_config())
    benchmark.pedantic(take_snapshot, (get_config(),), rounds=20, warmup_rounds=2)
