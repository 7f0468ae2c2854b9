"""The safety net: it finds unvalued markets in the database whose message was lost."""

from __future__ import annotations

from betting.config import SweepConfig
from betting.db.sql import fetch_all

MAX_MARKETS = 5_000
"""The most markets that one sweep schedules: ten recompute messages."""


def unvalued_markets(config: SweepConfig) -> list[int]:
    """Claim markets that have waited too long for their valuation, longest first.

    The next sweep leaves a claimed market to its recompute for as long again, and then sends it
    once more; markets that another sweep is claiming are skipped.
    """
    parameters = {"after_ms": config.dirty_after_ms, "limit": MAX_MARKETS}
    return [market_id for (market_id,) in fetch_all(_CLAIM, parameters)]


# An array is read once. `IN (SELECT … LIMIT)` may be read anew for each market, by a plan that
# depends on the tables' statistics, and then skips those it has claimed and claims others.
_CLAIM = """
UPDATE betting_market SET swept_at = clock_timestamp()
WHERE id = ANY (ARRAY(
    SELECT id FROM betting_market
    WHERE version <> valued_version
      AND dirty_at < clock_timestamp() - %(after_ms)s * interval '1 millisecond'
      AND (swept_at IS NULL
           OR swept_at < clock_timestamp() - %(after_ms)s * interval '1 millisecond')
    ORDER BY dirty_at LIMIT %(limit)s
    FOR NO KEY UPDATE SKIP LOCKED
))
RETURNING id
"""
