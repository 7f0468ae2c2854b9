"""The safety net: it finds by the database what a lost message would have brought about."""

from __future__ import annotations

from betting.config import SweepConfig
from betting.sql import fetch_all


def stale_markets(config: SweepConfig) -> list[int]:
    """Claim markets that have waited too long for their valuation, longest first.

    A market claimed by one sweep is left to its recompute for as long again before the next
    sweep sends it once more; markets that another sweep is claiming are skipped.
    """
    parameters = {"after_ms": config.dirty_after_ms, "limit": config.max_markets}
    return [market_id for (market_id,) in fetch_all(_CLAIM_STALE, parameters)]


def mark_silent_feeds() -> int:
    """Notice feeds whose last answer is older than their provider's limit.

    Their quotes no longer price anything, so every market they reach becomes stale in the same
    statement. Recorded feeds are left out: their time does not pass (docs/valuation.md).

    Returns:
        How many feeds fell silent.
    """
    return len(fetch_all(_MARK_SILENT, {}))


_CLAIM_STALE = """
UPDATE betting_market SET swept_at = clock_timestamp()
WHERE id IN (
    SELECT id FROM betting_market
    WHERE version <> valued_version
      AND dirty_at < clock_timestamp() - %(after_ms)s * interval '1 millisecond'
      AND (swept_at IS NULL
           OR swept_at < clock_timestamp() - %(after_ms)s * interval '1 millisecond')
    ORDER BY dirty_at LIMIT %(limit)s
    FOR NO KEY UPDATE SKIP LOCKED
)
RETURNING id
"""

_MARK_SILENT = """
WITH silent AS (
    UPDATE betting_feed SET stale_since = clock_timestamp()
    WHERE id IN (
        SELECT f.id FROM betting_feed f JOIN betting_provider p ON p.id = f.provider_id
        WHERE f.stale_since IS NULL AND p.clock = 'wall'
          AND f.observed_at < clock_timestamp() - p.stale_after_seconds * interval '1 second'
        FOR NO KEY UPDATE OF f SKIP LOCKED
    )
    RETURNING id
),
locked AS MATERIALIZED (
    SELECT id FROM betting_market
    WHERE id IN (
        SELECT q.market_id FROM betting_quote q JOIN silent s ON s.id = q.feed_id
        WHERE q.status = 'active'
    )
    ORDER BY id FOR NO KEY UPDATE
),
raised AS (
    UPDATE betting_market m
    SET version = m.version + 1,
        dirty_at = CASE WHEN m.version = m.valued_version
                        THEN clock_timestamp() ELSE m.dirty_at END
    FROM locked WHERE m.id = locked.id
)
SELECT id FROM silent
"""
