"""The SQL that says why an edge or an opportunity closes, by the state of a quote it rests on."""

from __future__ import annotations

LOST = """CASE
    WHEN ev.status = 'ended' THEN 'event_ended'
    WHEN q.status = 'quarantined' OR EXISTS (
        SELECT FROM betting_feed f JOIN betting_provider p ON p.id = f.provider_id
        WHERE f.id = q.feed_id AND f.generation < p.generation
    ) THEN 'quarantined'
    WHEN q.status <> 'active' THEN 'suspended'
    WHEN q.id = ANY (%(stale_quotes)s::bigint[]) THEN 'stale'
    WHEN EXISTS (
        SELECT FROM betting_bookmaker b WHERE b.id = q.bookmaker_id AND NOT b.is_venue
    ) THEN 'not_a_venue'
END"""
"""Why the quote `q` of the event `ev` must not be taken any more; null if it may be.

`stale_quotes` are those that the recompute has read and found too old.
"""

LOST_IN_ORDER = "'{event_ended,quarantined,suspended,stale,not_a_venue}'::text[]"
"""The same reasons, the one that says most first."""
