"""Each feed that polls ask for, judged by itself: one that fails is not hidden by its siblings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from betting.db.sql import fetch_all

MAX_FEEDS = 100
"""The most failing feeds that are read, those with the most quotes off the board first."""

MAX_QUOTES = 10_000
"""Quarantined quotes of a feed are counted no further than this."""


@dataclass(frozen=True, slots=True)
class FeedFacts:
    """A feed that polls ask for, and that fails or is silent, though its provider answers.

    Attributes:
        provider: the provider's key.
        feed: the feed's key.
        reason: why polls leave it out; empty when it is only silent.
        failing_seconds: for how long it has failed; of one that is only silent, the time since its
            newest answer, or since it was first asked for.
        limit_seconds: the silence that is too long.
        quarantined: its quotes on open events that are off the board, `MAX_QUOTES` at most.
    """

    provider: str
    feed: str
    reason: str
    failing_seconds: float
    limit_seconds: float
    quarantined: int


def failing_feeds(now: datetime) -> Sequence[FeedFacts]:
    """Return the feeds that fail on their own, those with the most quotes off the board first."""
    parameters = {"now": now, "limit": MAX_FEEDS, "counted": MAX_QUOTES}
    return [FeedFacts(*row) for row in fetch_all(_FAILING, parameters)]


# Where the circuit of a provider has opened, or none of its feeds has answered in time, the
# provider fails and has checks of its own. A feed without a circuit is not polled any more: it may
# be silent.
_FAILING = """
WITH polled AS MATERIALIZED (
    SELECT p.id, p.key,
           GREATEST(p.stale_after_seconds, 1.5 * p.interval_seconds,
                    1.5 * COALESCE(p.paced_interval_seconds, 0)) AS limit_seconds,
           (SELECT max(f.observed_at) FROM betting_feed f WHERE f.provider_id = p.id) AS heard_at
    FROM betting_provider p LEFT JOIN streaming_circuit c ON c.provider_id = p.id
    WHERE p.enabled AND p.clock = 'wall'
      AND (c.id IS NULL OR c.state = 'closed' OR c.mode IN ('forced_closed', 'disabled'))
      AND COALESCE(c.mode, 'automatic') <> 'forced_open'
),
asked AS (
    SELECT p.key AS provider, c.feed, c.reason, c.state = 'open' AS is_open, f.id AS feed_id,
           extract(epoch FROM %(now)s::timestamptz - COALESCE(f.observed_at, c.created_at))::float8
               AS silence_seconds,
           COALESCE(extract(epoch FROM %(now)s::timestamptz - c.since), 0)::float8 AS open_seconds,
           p.limit_seconds,
           extract(epoch FROM %(now)s::timestamptz - p.heard_at) <= p.limit_seconds AS is_heard
    FROM polled p
    JOIN streaming_feedcircuit c ON c.provider_id = p.id
    LEFT JOIN betting_feed f ON f.provider_id = p.id AND f.key = c.feed
)
SELECT provider, feed, CASE WHEN is_open THEN reason ELSE '' END,
       CASE WHEN is_open THEN open_seconds ELSE silence_seconds END, limit_seconds,
       quarantined.quotes
FROM asked
CROSS JOIN LATERAL (
    SELECT count(*) AS quotes FROM (
        SELECT FROM betting_quote q
        JOIN betting_market m ON m.id = q.market_id
        JOIN betting_event e ON e.id = m.event_id
        WHERE q.feed_id = asked.feed_id AND q.status = 'quarantined' AND e.status <> 'ended'
          AND e.commence_time > %(now)s::timestamptz - interval '1 day'
        LIMIT %(counted)s
    ) AS off
) AS quarantined
WHERE is_open OR (is_heard AND silence_seconds > limit_seconds)
ORDER BY quarantined.quotes DESC, provider, feed
LIMIT %(limit)s
"""
