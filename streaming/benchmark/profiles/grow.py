"""`grow`: the same burst, in tables of more and more quotes."""

from __future__ import annotations

from django.db import connection

from betting.models import Quote
from streaming.benchmark.profiles.burst import measure_burst, warmed
from streaming.benchmark.session import Session
from streaming.benchmark.workload import BOOKS, OUTCOMES, opening_prices, ordinary_burst

BURST_MARKETS = 100
_PER_MARKET = BOOKS * OUTCOMES


def run_grow(session: Session) -> None:
    """Measure a burst of 1,000 changes beside other markets, until there are so many quotes."""
    plan = session.plan
    opening = opening_prices(BURST_MARKETS, plan.seed)
    session.expect("grow", plan.rounds * len(plan.grow))
    hardline = session.hardline()
    for number in range(1, plan.rounds + 1):
        with session.workers(hardline):
            prices = warmed(session, hardline, BURST_MARKETS)
            there = BURST_MARKETS
            for step, quotes in enumerate(sorted(plan.grow)):
                case = f"{quotes:,} quotes"
                session.step(f"grow, round {number}: {case}")
                wanted = max(quotes // _PER_MARKET, there)
                add_markets(there, wanted, plan.history)
                there = wanted
                burst = ordinary_burst(
                    opening, prices, range(BURST_MARKETS), plan.seed, 100 * number + step
                )
                figures = measure_burst(session, hardline, burst, prices)
                figures["quotes"] = Quote.objects.count()
                prices = burst.applied_to(prices)
                session.record("grow", case, hardline.name, number, figures)


def add_markets(first: int, end: int, history: int) -> None:
    """Write valued markets of another sport and feed, with their quotes and history.

    Not by ingesting answers: a million quotes would take minutes of it.

    Args:
        first: the first market's number.
        end: the number after the last one's.
        history: rows of history for each quote.
    """
    parameters = {"first": first, "end": end, "history": history, "books": BOOKS}
    with connection.cursor() as cursor:
        for statement in _ADD:
            cursor.execute(statement, parameters if "%" in statement else None)


_ADD = (
    "SET statement_timeout = 0",
    """
    INSERT INTO betting_sport (key, title) VALUES ('other_league', 'Other') ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO betting_feed (provider_id, key, observed_at, generation)
    SELECT id, '/other', now(), generation FROM betting_provider ORDER BY id LIMIT 1
    ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO betting_event (sport_id, home, away, commence_time)
    SELECT s.id, 'Other home ' || n, 'Other away ' || n, now() + interval '9 days'
    FROM generate_series(%(first)s, %(end)s - 1) AS n, betting_sport s
    WHERE s.key = 'other_league'
    """,
    """
    INSERT INTO betting_market
        (event_id, kind, version, valued_version, changed_at, valued_at)
    SELECT e.id, 'h2h', 1, 1, now(), now() FROM betting_event e
    WHERE e.home LIKE 'Other home %%'
      AND NOT EXISTS (SELECT FROM betting_market m WHERE m.event_id = e.id)
    """,
    """
    INSERT INTO betting_outcome (market_id, name)
    SELECT m.id, side.name
    FROM betting_market m JOIN betting_event e ON e.id = m.event_id,
         LATERAL (VALUES (e.home), (e.away)) AS side (name)
    WHERE e.home LIKE 'Other home %%'
      AND NOT EXISTS (SELECT FROM betting_outcome o WHERE o.market_id = m.id)
    """,
    """
    INSERT INTO betting_quote
        (outcome_id, market_id, bookmaker_id, side, feed_id, price, status, changed_at)
    SELECT o.id, o.market_id, b.id, 'back', f.id, 1.9 + 0.01 * (b.id %% 7), 'active', now()
    FROM betting_outcome o, betting_bookmaker b, betting_feed f
    WHERE f.key = '/other' AND NOT EXISTS (SELECT FROM betting_quote q WHERE q.outcome_id = o.id)
    """,
    """
    INSERT INTO valuation_fairprice
        (outcome_id, market_id, state, reason, probability, method, books, version, valued_at)
    SELECT o.id, o.market_id, 'ok', '', 0.5, 'power', %(books)s, 1, now()
    FROM betting_outcome o
    WHERE NOT EXISTS (SELECT FROM valuation_fairprice p WHERE p.outcome_id = o.id)
    """,
    """
    INSERT INTO betting_linechange
        (quote_id, market_id, kind, new_price, classification, received_at)
    SELECT q.id, q.market_id, 'opened', q.price, 'minor', now()
    FROM betting_quote q, generate_series(1, %(history)s)
    WHERE NOT EXISTS (SELECT FROM betting_linechange c WHERE c.quote_id = q.id)
    """,
    "VACUUM (ANALYZE)",
    "RESET statement_timeout",
)
