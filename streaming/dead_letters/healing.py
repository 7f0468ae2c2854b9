"""Letters whose work has been done since: they wait for nobody."""

from __future__ import annotations

from betting.db.sql import execute
from streaming.core.results import SCORES_FEED_END
from streaming.dead_letters.store import POLL_PROVIDER

RECOMPUTE_MARKETS = "valuation.recompute_markets"
"""The task that values; named here, because this module may not import it."""


def heal() -> int:
    """Close the letters that the stream has made good by itself; return how many.

    A recompute is made good once its markets are valued at their versions, by a sweep for example.
    A poll is once its provider has answered after it, for every feed that polls ask for.
    """
    parameters = {
        "poll": POLL_PROVIDER,
        "recompute": RECOMPUTE_MARKETS,
        "scores": SCORES_FEED_END,
    }
    return execute(_HEAL, parameters)


# An answer that cannot be read is a payload, and waits for a person. A feed whose circuit is open
# is not asked for. Arguments that were cut or blanked may be of any type.
_HEAL = """
UPDATE streaming_deadletter letter SET status = 'healed'
WHERE status = 'new' AND is_complete AND kind IN ('exception', 'time_limit', 'worker_lost', 'hook')
  AND CASE task
    WHEN %(recompute)s THEN
        jsonb_typeof(args -> 0) = 'array' AND NOT EXISTS (
            SELECT FROM jsonb_array_elements_text(
                CASE jsonb_typeof(args -> 0) WHEN 'array' THEN args -> 0 END
            ) AS listed (id)
            JOIN betting_market m
                ON m.id = CASE WHEN listed.id ~ '^[0-9]{1,18}$' THEN listed.id::bigint END
            WHERE m.version <> m.valued_version
        )
    WHEN %(poll)s THEN
        EXISTS (
            SELECT FROM betting_provider p
            JOIN streaming_pollrun r ON r.provider_id = p.id
            WHERE p.key = letter.provider AND r.outcome = 'ok' AND r.started_at > letter.last_seen
              AND right(r.feed, length(%(scores)s)) <> %(scores)s
        ) AND NOT EXISTS (
            SELECT FROM betting_provider p
            JOIN streaming_feedcircuit f ON f.provider_id = p.id
            WHERE p.key = letter.provider AND f.state = 'closed' AND NOT EXISTS (
                SELECT FROM streaming_pollrun r
                WHERE r.provider_id = p.id AND r.feed = f.feed
                  AND r.outcome = 'ok' AND r.started_at > letter.last_seen
            )
        )
    END
"""
