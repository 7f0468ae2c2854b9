"""How long past events take to go, which their family's answers may have to wait for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from betting.config import RetentionConfig
from betting.models import Quote
from streaming.retention import prune
from tests.support import rows

EVENTS, MARKETS, BOOKS = 200, 20, 20
QUOTES = EVENTS * MARKETS * 2 * BOOKS

pytestmark = pytest.mark.django_db(transaction=True)


def fill() -> None:
    """Events of which every other is past, each with its markets, two outcomes and all quotes."""
    for _ in range(BOOKS):
        rows.make_bookmaker()
    feed, sport = rows.make_feed(), rows.make_sport()
    long_ago = datetime.now(UTC) - timedelta(days=500)
    for number in range(EVENTS):
        rows.make_event(
            feed.provider,
            sport=sport,
            commence_time=long_ago if number % 2 else datetime.now(UTC),
            created_at=long_ago,
        )
    with connection.cursor() as cursor:
        for statement in _FILL:
            cursor.execute(statement)


_FILL = (
    f"""
    INSERT INTO betting_market (event_id, kind, version, valued_version, valued_at)
    SELECT e.id, 'kind' || n, 1, 1, e.created_at
    FROM betting_event e, generate_series(1, {MARKETS}) n
    """,
    """
    INSERT INTO betting_outcome (market_id, name)
    SELECT m.id, name FROM betting_market m, unnest(ARRAY ['over', 'under']) name
    """,
    """
    INSERT INTO valuation_fairprice
        (outcome_id, market_id, state, probability, method, books, version, valued_at)
    SELECT id, market_id, 'ok', 0.5, 'power', 5, 1, now() FROM betting_outcome
    """,
    """
    INSERT INTO betting_quote
        (outcome_id, market_id, bookmaker_id, side, feed_id, price, status, changed_at)
    SELECT o.id, o.market_id, b.id, 'back', f.id, 2, 'suspended', now()
    FROM betting_outcome o, betting_bookmaker b, betting_feed f
    """,
    "ANALYZE betting_event, betting_market, betting_outcome, betting_quote, valuation_fairprice",
)


def test_quotes_of_past_events_deleted_per_second(benchmark: Any) -> None:
    def setup() -> None:
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE betting_sport, betting_bookmaker, betting_provider CASCADE")
        fill()
        assert Quote.objects.count() == QUOTES

    def run() -> int:
        return prune.prune_old_rows(RetentionConfig())["betting_event"]

    deleted = benchmark.pedantic(run, setup=setup, rounds=3, warmup_rounds=1)
    assert deleted == EVENTS / 2
    assert Quote.objects.count() == QUOTES / 2
    benchmark.extra_info["quotes_per_second"] = QUOTES / 2 / benchmark.stats["median"]
