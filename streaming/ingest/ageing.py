"""Declaring prices stale that their provider no longer confirms, between two answers.

An ingest judges the prices that its answer lists (`streaming.ingest.confirmations`). Between two
answers time passes too: each bookmaker's row says when the next of its markets becomes too old, and
the sweeper then declares it stale. Valuation reads these rows alone, never the clock, so that a
market it leaves out is valued again when its price is confirmed.
"""

from __future__ import annotations

from datetime import datetime

from betting.db.market_versions import raising
from betting.db.sql import fetch_all

MAX_BOOKS = 500
"""Bookmakers of feeds that one sweep looks at; the next sweep takes the rest."""


def age(now: datetime) -> list[int]:
    """Declare the prices stale that have become too old.

    Idempotent by `FeedBookmaker.stale_markets`. A bookmaker whose row an ingest has locked is left
    to it.

    Args:
        now: the time that age is measured at.

    Returns:
        The affected markets, their versions raised: they have to be valued at once.
    """
    return [market_id for (market_id,) in fetch_all(_AGE, {"now": now, "books": MAX_BOOKS})]


# Lock bookmakers before markets, as an ingest does.
_AGE = raising("""
WITH due AS MATERIALIZED (
    SELECT id, expires_at - confirmed_at AS lasts, lagging_markets, lagging_ats, stale_markets
    FROM betting_feedbook WHERE next_stale_at < %(now)s
    ORDER BY next_stale_at LIMIT %(books)s
    FOR NO KEY UPDATE SKIP LOCKED
),
lagging AS MATERIALIZED (
    SELECT due.id, l.market_id, l.at + due.lasts AS stale_at,
           l.market_id = ANY (due.stale_markets) AS is_known
    FROM due CROSS JOIN unnest(due.lagging_markets, due.lagging_ats) AS l (market_id, at)
),
declared AS (
    UPDATE betting_feedbook b
    SET stale_markets = l.stale_markets, next_stale_at = l.next_stale_at
    FROM (
        SELECT id,
               COALESCE(array_agg(market_id ORDER BY market_id)
                   FILTER (WHERE is_known OR stale_at < %(now)s), '{}') AS stale_markets,
               min(stale_at) FILTER (WHERE NOT is_known AND stale_at >= %(now)s) AS next_stale_at
        FROM lagging GROUP BY id
    ) AS l
    WHERE b.id = l.id
),
touched AS (
    SELECT market_id FROM lagging WHERE NOT is_known AND stale_at < %(now)s
)""")
