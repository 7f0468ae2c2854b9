"""Valuing markets again whose event has started, or no longer has, though no quote changed.

An edge and an opportunity are marked as in play or not. A provider's list may report the start
late, or the start may be moved; so the mark on each open one is compared with the event's present
state, for any cause.
"""

from __future__ import annotations

from betting.db.market_versions import raising
from betting.db.sql import fetch_all
from valuation.models import IN_PLAY

MAX_MARKETS = 500
"""Markets that one sweep values again for this; the next sweep takes the rest."""


def mark() -> list[int]:
    """Raise the versions of markets with an open edge or opportunity whose mark is wrong.

    Idempotent by the mark itself, and by the versions: a market that is already stale is left to
    its recompute.

    Returns:
        The markets: they have to be valued at once.
    """
    parameters = {"mark": IN_PLAY, "limit": MAX_MARKETS}
    return [market_id for (market_id,) in fetch_all(_MARK, parameters)]


# In play by the same rule as in `valuation.unvalued`, or the two would never agree.
_MARK = raising("""
WITH marked AS (
    SELECT market_id, %(mark)s = ANY (warnings) AS is_in_play
    FROM valuation_edge WHERE closed_at IS NULL
    UNION ALL
    SELECT market_id, in_play FROM valuation_opportunity WHERE closed_at IS NULL
),
touched AS MATERIALIZED (
    SELECT DISTINCT marked.market_id
    FROM marked
    JOIN betting_market m ON m.id = marked.market_id
    JOIN betting_event ev ON ev.id = m.event_id
    WHERE m.version = m.valued_version AND ev.status <> 'ended'
      AND marked.is_in_play IS DISTINCT FROM (
          ev.status = 'live' OR COALESCE(m.changed_at >= ev.commence_time, false)
          OR ev.commence_time <= statement_timestamp() AND EXISTS (
              SELECT FROM betting_quote q
              JOIN betting_feed f ON f.id = q.feed_id
              JOIN betting_provider p ON p.id = f.provider_id
              WHERE q.market_id = m.id AND q.status = 'active' AND p.clock = 'wall'
                AND f.generation = p.generation
          )
      )
    LIMIT %(limit)s
)""")
