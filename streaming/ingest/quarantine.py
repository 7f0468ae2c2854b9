"""Taking prices that are known to be unsafe off the board.

Rows that were committed before say what is unsafe: a provider's `generation`, which its circuit
raises when it opens, and the `expires_at` of each bookmaker within a feed. Any process can
quarantine by them, at any time and repeatedly; the sweeper does it every second.

Only an answer brings a quote back: `streaming.ingest.ingest`.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from datetime import datetime

from django.db import DatabaseError, transaction

from betting.db.market_versions import raising
from betting.db.outages import is_away, is_locked
from betting.db.sql import Bigints, fetch_all
from streaming.core.participants import sport_family
from streaming.ingest.locks import lock_family

logger = logging.getLogger(__name__)


def quarantine_unsafe(now: datetime, provider_id: int | None = None) -> list[int]:
    """Quarantine the quotes that must not be trusted any more, all of them and only those.

    They are those of a feed without a complete answer since its provider's circuit opened, and
    those of a bookmaker that has gone unconfirmed for longer than its limit. Rival quotes from such
    a feed are deleted.

    Args:
        now: the time that bookmakers' silence is measured at.
        provider_id: look at this provider alone.

    Returns:
        The affected markets, their versions raised: they have to be valued at once. A family whose
        quarantine fails is left to the next call, lest the markets of the others be forgotten.

    Raises:
        django.db.Error: PostgreSQL is away.
    """
    by_family: dict[str, list[int]] = defaultdict(list)
    for feed_id, sport_key in fetch_all(_UNSAFE_FEEDS, {"now": now, "provider": provider_id}):
        by_family[sport_family(sport_key)].append(feed_id)
    markets: set[int] = set()
    for family, feeds in by_family.items():
        try:
            markets.update(_quarantine(family, feeds, now))
        except DatabaseError as error:
            if is_away(error):
                raise
            logger.warning(
                "the sweeper postpones the quarantine of %s: %s",
                family,
                error,
                exc_info=not is_locked(error),
            )
    return sorted(markets)


def _quarantine(family: str, feeds: list[int], now: datetime) -> list[int]:
    """Quarantine what is unsafe in some feeds of a family of sports, between two answers."""
    parameters = {"feeds": Bigints(feeds), "now": now}
    with transaction.atomic():
        lock_family(family)
        # Mark first: this waits for an ingest that has just read the bookmakers, so that the next
        # statement sees what that ingest offers.
        fetch_all(_MARK_SILENT, parameters)
        return [market_id for (market_id,) in fetch_all(_QUARANTINE, parameters)]


# A feed is about one family of sports. One that offers nothing at the moment is listed without a
# sport, while a bookmaker's silence has yet to be marked.
_UNSAFE_FEEDS = """
WITH candidate AS (
    SELECT f.id FROM betting_feed f JOIN betting_provider p ON p.id = f.provider_id
    WHERE f.generation < p.generation
      AND (
          EXISTS (SELECT FROM betting_quote q WHERE q.feed_id = f.id AND q.status = 'active')
          OR EXISTS (SELECT FROM betting_rivalquote r WHERE r.feed_id = f.id)
      )
    UNION
    -- A recording's time does not pass.
    SELECT b.feed_id FROM betting_feedbook b
    JOIN betting_feed f ON f.id = b.feed_id
    JOIN betting_provider p ON p.id = f.provider_id AND p.clock = 'wall'
    WHERE b.silent_since IS NULL AND b.expires_at < %(now)s
)
SELECT f.id, COALESCE(quoted.sport_key, '')
FROM candidate
JOIN betting_feed f ON f.id = candidate.id
LEFT JOIN LATERAL (
    SELECT s.key AS sport_key FROM (
        SELECT market_id FROM betting_quote WHERE feed_id = f.id AND status = 'active'
        UNION ALL
        SELECT market_id FROM betting_rivalquote WHERE feed_id = f.id
    ) AS q
    JOIN betting_market m ON m.id = q.market_id
    JOIN betting_event e ON e.id = m.event_id
    JOIN betting_sport s ON s.id = e.sport_id
    LIMIT 1
) AS quoted ON true
WHERE f.provider_id = COALESCE(%(provider)s::bigint, f.provider_id)
"""

_QUARANTINE = raising("""
WITH unsafe AS (
    UPDATE betting_quote q SET status = 'quarantined'
    FROM betting_feed f JOIN betting_provider p ON p.id = f.provider_id
    WHERE q.feed_id = f.id AND f.id = ANY (%(feeds)s::bigint[]) AND q.status = 'active'
      AND (f.generation < p.generation OR p.clock = 'wall' AND q.bookmaker_id IN (
          SELECT b.bookmaker_id FROM betting_feedbook b
          WHERE b.feed_id = f.id AND b.expires_at < %(now)s
      ))
    RETURNING q.id, q.market_id, q.price
),
history AS (
    INSERT INTO betting_linechange
        (quote_id, market_id, kind, old_price, classification, received_at)
    SELECT id, market_id, 'quarantined', price, 'major', %(now)s FROM unsafe
),
forgotten AS (
    DELETE FROM betting_rivalquote r
    USING betting_quote q, betting_feed f, betting_provider p
    WHERE q.id = r.quote_id AND f.id = r.feed_id AND p.id = f.provider_id
      AND f.id = ANY (%(feeds)s::bigint[])
      AND (f.generation < p.generation OR p.clock = 'wall' AND q.bookmaker_id IN (
          SELECT b.bookmaker_id FROM betting_feedbook b
          WHERE b.feed_id = f.id AND b.expires_at < %(now)s
      ))
    RETURNING r.market_id
),
touched AS (SELECT market_id FROM unsafe UNION SELECT market_id FROM forgotten)""")

_MARK_SILENT = """
UPDATE betting_feedbook b SET silent_since = %(now)s
FROM betting_feed f JOIN betting_provider p ON p.id = f.provider_id AND p.clock = 'wall'
WHERE f.id = b.feed_id AND f.id = ANY (%(feeds)s::bigint[])
  AND b.silent_since IS NULL AND b.expires_at < %(now)s
RETURNING 1
"""
