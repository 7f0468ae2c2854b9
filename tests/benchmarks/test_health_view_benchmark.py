"""The operators' pages with 50 providers of 20 feeds, 250,000 polls and a week of snapshots.

Run with ``pytest tests/benchmarks/test_health_view_benchmark.py``.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from betting.config import get_config
from streaming.health.snapshots import take_snapshot
from tests.benchmarks.pages import measure_pages
from tests.support import rows

# Health asks on a connection of its own, which sees what is committed.
pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("redis"),
]

PROVIDERS, FEEDS, POLLS = 50, 20, 5_000
SNAPSHOTS = 60_480
IN_TROUBLE = 10
"""Providers whose circuit is open; of each other one a feed fails."""

_FILL = """
INSERT INTO betting_provider (key, adapter, base_url, interval_seconds, stale_after_seconds,
    quota_remaining, quota_used)
SELECT 'many_' || n, 'the_odds_api', 'http://127.0.0.1:9', 10, 120, 400, 100
FROM generate_series(2, %(providers)s) AS n;

INSERT INTO streaming_circuit (provider_id, state, since, retry_at, reason)
SELECT id, CASE WHEN n <= %(trouble)s THEN 'open' ELSE 'closed' END, now() - interval '1 min',
       CASE WHEN n <= %(trouble)s THEN now() + interval '9 s' END, '3 failures in a row'
FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM betting_provider) AS p;

INSERT INTO streaming_feedcircuit (provider_id, feed, state, since, retry_at, reason)
SELECT id, '/v4/sports/sport_' || n || '/odds?markets=h2h,spreads,totals',
       CASE WHEN n = 1 THEN 'open' ELSE 'closed' END, now() - interval '2 min',
       CASE WHEN n = 1 THEN now() + interval '1 min' END,
       CASE WHEN n = 1 THEN 'not_found' ELSE '' END
FROM betting_provider, generate_series(1, %(feeds)s) AS n;

INSERT INTO betting_feed (provider_id, key, observed_at)
SELECT provider_id, feed, now() - interval '1 s' FROM streaming_feedcircuit
ON CONFLICT DO NOTHING;

INSERT INTO streaming_pollrun (provider_id, feed, started_at, outcome, duration_ms, changes,
    failure_code, failure_kind, failure_message, http_status)
SELECT provider_id, feed, now() - i * interval '10 s',
       CASE WHEN i %% 10 = 0 THEN 'failed' ELSE 'ok' END, 50 + i %% 100, 20,
       CASE WHEN i %% 10 = 0 THEN 'server_error' ELSE '' END,
       CASE WHEN i %% 10 = 0 THEN 'transient' ELSE '' END, 'HTTP 503', 503
FROM streaming_feedcircuit, generate_series(%(polls)s / %(feeds)s, 1, -1) AS i;

INSERT INTO streaming_healthsnapshot
    (taken_at, status, score, checks, workers, counted_until, totals, hints_dropped, edges_open)
SELECT now() - i * interval '10 seconds', CASE WHEN i %% 20 < 3 THEN 'fail' ELSE 'pass' END, 50,
       s.checks, s.workers, now() - (i + 3) * interval '10 seconds',
       s.totals || jsonb_build_object('changes:', 1e6 - i, 'latency:major.3', 1e6 - i), 0, i %% 50
FROM generate_series(%(snapshots)s, 1, -1) AS i, streaming_healthsnapshot s;

ANALYZE
"""


@pytest.fixture(autouse=True)
def _history() -> None:
    rows.make_feed(rows.make_provider())
    take_snapshot(get_config())
    numbers = {
        "providers": PROVIDERS,
        "trouble": IN_TROUBLE,
        "feeds": FEEDS,
        "polls": POLLS,
        "snapshots": SNAPSHOTS,
    }
    with connection.cursor() as cursor:
        for statement in _FILL.split(";\n"):
            cursor.execute(statement, numbers)


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("olga"))
    return client


def test_the_operators_pages(operator: Client, benchmark: Any) -> None:
    """The whole view; its updates and the dashboard are printed, as medians."""
    addresses = {
        "view": "/admin/streaming/health/",
        "update of the state": "/admin/streaming/health/now/",
        "update of the curves": "/admin/streaming/health/history/",
        "dashboard": "/admin/",
    }
    measure_pages(operator, addresses)
    benchmark.pedantic(lambda: operator.get(addresses["view"]), rounds=5)
