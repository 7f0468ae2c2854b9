"""The pages for bettors over a large board.

It has 100,000 quotes, 1,000,000 changes, 5,000 edges, and 500 arbitrages, middles and low holds
each. The changes are in one partition: of two, as in a new installation, or of those of a year.
Run with ``pytest tests/benchmarks/test_board_pages_benchmark.py``.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from betting.db.partitions import LINE_CHANGES
from betting.models import Event, LineChange, Outcome, Quote
from tests.benchmarks.pages import measure_pages
from tests.support import rows
from tests.support.time_partitions import make_partitions
from valuation.models import Edge, Opportunity, OpportunityKind

pytestmark = [pytest.mark.timeout(600), pytest.mark.django_db, pytest.mark.usefixtures("redis")]

EVENTS, BOOKS, CHANGES = 1_250, 20, 10
OUTCOMES_PER_EVENT = 4  # two markets of two outcomes
EDGES, OPPORTUNITIES_PER_KIND = 5_000, 500

FILL = """
INSERT INTO betting_bookmaker (key, title)
SELECT 'book_' || n, 'Book ' || n FROM generate_series(1, %(books)s) AS n;

INSERT INTO betting_event (sport_id, home, away, commence_time)
SELECT %(sport)s, 'Home ' || n, 'Away ' || n, now() + make_interval(mins => n)
FROM generate_series(1, %(events)s) AS n;

INSERT INTO betting_market (event_id, kind, version, valued_version, changed_at)
SELECT id, kind, 1, 1, now() - interval '5 min'
FROM betting_event, unnest('{h2h,moneyline_alt}'::text[]) AS kind;

INSERT INTO betting_outcome (market_id, name)
SELECT m.id, name FROM betting_market m, unnest('{one,two}'::text[]) AS name;

INSERT INTO betting_quote
    (outcome_id, market_id, bookmaker_id, side, feed_id, price, status, changed_at)
SELECT o.id, o.market_id, b.id, 'back', %(feed)s, 1.8 + (o.id * 7 + b.id) %% 30 / 100.0, 'active',
       now() - interval '5 min'
FROM betting_outcome o CROSS JOIN betting_bookmaker b;

INSERT INTO betting_feedbook (feed_id, bookmaker_id, confirmed_at, expires_at)
SELECT %(feed)s, id, now(), now() + interval '1 day' FROM betting_bookmaker;

INSERT INTO betting_linechange
    (quote_id, market_id, kind, old_price, new_price, classification, received_at)
SELECT q.id, q.market_id, 'resumed', 2.0, 1.5 + (q.id + n) %% 50 / 100.0,
       CASE WHEN n = 5 AND q.id %% 50 = 0 THEN 'major' ELSE 'minor' END,
       now() - make_interval(mins => 60 - 5 * n)
FROM betting_quote q CROSS JOIN generate_series(1, %(changes)s) AS n ORDER BY n, q.id;

INSERT INTO valuation_fairprice
    (outcome_id, market_id, state, probability, method, books, version, valued_at)
SELECT id, market_id, 'ok', 0.5, 'power', 10, 1, now() FROM betting_outcome;

INSERT INTO valuation_edge (quote_id, market_id, opened_at, opened_price, opened_probability, price,
    probability, ev, kelly, advised, hold, books, peak_ev, version, updated_at)
SELECT id, market_id, now() - interval '1 min', price, 0.5, price, 0.5, 0.01 + id %% 100 / 1000.0,
       0.02, 0.01, 0.04, 10, 0.2, 1, now()
FROM betting_quote ORDER BY id %% 20, id LIMIT %(edges)s;

INSERT INTO valuation_opportunity (market_id, kind, quotes, bookmakers, prices, parts, booksum,
    profit, worst, best, gap, break_even, in_play, version, opened_at, updated_at)
SELECT pair.market_id, kind, pair.quotes, pair.bookmakers, pair.prices, '{0.5,0.5}', 1.0,
       CASE WHEN kind = 'low_hold' THEN -0.01 ELSE 0.01 + pair.market_id %% 100 / 1000.0 END,
       CASE WHEN kind = 'arbitrage' THEN 0.01 ELSE -0.01 END,
       0.2, CASE WHEN kind = 'middle' THEN 1.0 END, CASE WHEN kind = 'middle' THEN 0.05 END,
       false, 1, now() - interval '1 min', now()
FROM (
    SELECT market_id, array_agg(id ORDER BY id) AS quotes,
           array_agg(bookmaker_id ORDER BY id) AS bookmakers, array_agg(price ORDER BY id) AS prices
    FROM (
        SELECT DISTINCT ON (outcome_id) q.* FROM betting_quote q
        ORDER BY outcome_id, (bookmaker_id + outcome_id) %% 20
    ) AS one_book GROUP BY market_id ORDER BY market_id LIMIT %(opportunities)s
) AS pair, unnest('{arbitrage,middle,low_hold}'::text[]) AS kind;

ANALYZE
"""


@pytest.fixture(params=["new", "a year"])
def reader(request: pytest.FixtureRequest) -> Client:
    if request.param == "a year":
        make_partitions(LINE_CHANGES, days=365)
    provider = rows.make_provider(clock="wall", stale_after_seconds=86_400.0)
    feed, sport = rows.make_feed(provider), rows.make_sport()
    numbers = {"events": EVENTS, "books": BOOKS, "changes": CHANGES, "edges": EDGES,
               "opportunities": OPPORTUNITIES_PER_KIND}  # fmt: skip
    with connection.cursor() as cursor:
        for statement in FILL.split(";\n"):
            cursor.execute(statement, {**numbers, "feed": feed.pk, "sport": sport.pk})
    assert Quote.objects.count() == EVENTS * OUTCOMES_PER_EVENT * BOOKS
    assert LineChange.objects.count() == EVENTS * OUTCOMES_PER_EVENT * BOOKS * CHANGES
    assert Edge.objects.count() == EDGES
    for kind in OpportunityKind:
        assert Opportunity.objects.filter(kind=kind).count() == OPPORTUNITIES_PER_KIND
    client = Client()
    client.force_login(User.objects.create_user("ana"))
    return client


def test_the_pages_of_a_large_board(reader: Client, benchmark: Any) -> None:
    """The slowest of the pages; the others are printed, as medians."""
    event = Event.objects.order_by("pk")[600]
    outcome = Outcome.objects.filter(market__event=event).first()
    assert outcome is not None
    edge = Edge.objects.order_by("pk")[2_000]
    addresses = {
        "board": "/?tab=before",
        "one sport, american": "/?tab=before&market=h2h&odds=american&bankroll=1000",
        "in play": "/?tab=in_play",
        "arbitrage": "/?tab=arbitrage",
        "middles": "/?tab=middles",
        "low hold": "/?tab=low_hold",
        "moves": "/?tab=moves",
        "event": f"/events/{event.pk}/",
        "edge": f"/edges/{edge.pk}/",
        "history": f"/history/{outcome.pk}/?window=1h",
    }
    medians = measure_pages(reader, addresses)
    slowest = max(medians, key=lambda name: medians[name])
    benchmark.pedantic(lambda: reader.get(addresses[slowest]), rounds=5)
