"""Ingest: one snapshot in, the changes it makes out.

However large the snapshot, three statements in one transaction write it: take the sport's lock,
record that the feed was heard, and apply (diff, upsert, history, versions). What the names in it
stand for is resolved before, without a statement when nothing is new.

Idempotent: an answer ingested twice changes nothing the second time. An answer older than what
its feed has already said is left aside as superseded.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from betting.models import ChangeKind
from betting.sql import Bigints, fetch_all
from streaming import resolve
from streaming.core.movement import TOLERANCE, MovementPolicy
from streaming.core.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class MarketChange:
    """What a snapshot did to one market.

    Attributes:
        market_id: the market, whose version rose by one.
        version: the version it rose to.
        provider_id: whose answer it was.
        changes: line changes, at least 1, unless the feed was merely heard again after silence.
        is_major: whether its valuation must not wait.
        movement: the largest relative price change among the major ones; None without any.
    """

    market_id: int
    version: int
    provider_id: int
    changes: int
    is_major: bool
    movement: float | None = None


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What an ingest did.

    Attributes:
        is_superseded: the feed has already said something newer; nothing was written.
        counts: line changes by kind.
        markets: the markets that have to be valued.
    """

    is_superseded: bool = False
    counts: Counter[ChangeKind] = field(default_factory=Counter)
    markets: tuple[MarketChange, ...] = ()


def ingest(provider_id: int, snapshot: Snapshot, policy: MovementPolicy) -> IngestResult:
    """Write a snapshot and return what changed. The caller enqueues, after this returns.

    Args:
        provider_id: the provider whose answer it is.
        snapshot: a decoded answer.
        policy: what a major move is.

    Raises:
        django.db.Error: the database refused or is away; nothing was written.
    """
    try:
        return _ingest(provider_id, snapshot, policy)
    except IntegrityError:
        # A row that the caches knew is gone. Once more, from the names.
        resolve.forget()
        return _ingest(provider_id, snapshot, policy)


def _ingest(provider_id: int, snapshot: Snapshot, policy: MovementPolicy) -> IngestResult:
    resolved = resolve.resolve(provider_id, snapshot)
    with transaction.atomic():
        resolve.lock_sport(resolved.sport_id)
        feed = _hear(provider_id, snapshot.feed, snapshot.received_at)
        if feed is None:
            return IngestResult(is_superseded=True)
        feed_id, was_silent = feed
        parameters: dict[str, object] = {
            "provider": provider_id,
            "feed": feed_id,
            "was_silent": was_silent,
            **_snapshot_parameters(snapshot, resolved),
            **_policy_parameters(policy),
        }
        rows = fetch_all(_APPLY, parameters)
    return _result(provider_id, rows)


def _hear(provider_id: int, key: str, received_at: datetime) -> tuple[int, bool] | None:
    """Record a feed's newest answer; None when a newer one is known already."""
    parameters = {"provider": provider_id, "key": key, "received_at": received_at}
    rows = fetch_all(_HEAR, parameters)
    return (rows[0][0], rows[0][1]) if rows else None


def _snapshot_parameters(snapshot: Snapshot, resolved: resolve.Resolved) -> dict[str, object]:
    columns = resolved.columns
    return {
        "sport": resolved.sport_id,
        "is_list": snapshot.is_list,
        "is_complete": snapshot.is_complete,
        "received_at": snapshot.received_at,
        "events": Bigints(resolved.event_ids),
        "homes": [event.home for event in snapshot.events],
        "aways": [event.away for event in snapshot.events],
        "commence_times": [event.commence_time for event in snapshot.events],
        "outcomes": columns.outcome_ids,
        "markets": columns.market_ids,
        "bookmakers": columns.bookmaker_ids,
        "lays": columns.lays,
        "prices": columns.prices,
        "source_seconds": columns.source_seconds,
    }


def _policy_parameters(policy: MovementPolicy) -> dict[str, object]:
    return {
        "major_price_move": policy.major_price_move + TOLERANCE,
        "major_probability_move": policy.major_probability_move - TOLERANCE,
        "major_point_move": policy.major_point_move,
    }


_KINDS = [
    ChangeKind.OPENED,
    ChangeKind.PRICE,
    ChangeKind.POINT,
    ChangeKind.SUSPENDED,
    ChangeKind.RESUMED,
    ChangeKind.ENDED,
]


def _result(provider_id: int, rows: list[tuple[Any, ...]]) -> IngestResult:
    counts: Counter[ChangeKind] = Counter()
    markets = []
    for market_id, version, is_major, movement, *by_kind in rows:
        counts.update(dict(zip(_KINDS, by_kind, strict=True)))
        markets.append(
            MarketChange(market_id, version, provider_id, sum(by_kind), is_major, movement)
        )
    return IngestResult(counts=+counts, markets=tuple(markets))


_HEAR = """
INSERT INTO betting_feed AS feed (provider_id, key, observed_at)
VALUES (%(provider)s, %(key)s, %(received_at)s)
ON CONFLICT (provider_id, key) DO UPDATE SET observed_at = excluded.observed_at
    WHERE feed.observed_at <= excluded.observed_at
RETURNING id, stale_since IS NOT NULL
"""

_APPLY = """
WITH incoming AS MATERIALIZED (
    SELECT outcome_id, market_id, bookmaker_id, CASE WHEN is_lay THEN 'lay' ELSE 'back' END AS side,
           NULLIF(price, 'NaN') AS price,  -- none: no longer offered
           to_timestamp(NULLIF(source_seconds, 'NaN')) AS source_at
    FROM unnest(
        %(outcomes)s::bigint[], %(markets)s::bigint[], %(bookmakers)s::bigint[],
        %(lays)s::boolean[], %(prices)s::float8[], %(source_seconds)s::float8[]
    ) AS i (outcome_id, market_id, bookmaker_id, is_lay, price, source_seconds)
    WHERE %(is_list)s OR market_id NOT IN (
        SELECT m.id FROM betting_event e JOIN betting_market m ON m.event_id = e.id
        WHERE e.id = ANY (%(events)s::bigint[]) AND e.status = 'ended'
    )
),

-- The events: a listed one takes its names, start and state from the answer; a started one that
-- a complete list leaves out has ended.
listed AS (
    UPDATE betting_event e
    SET home = v.home, away = v.away, commence_time = v.commence_time, status = v.status
    FROM (
        SELECT *, CASE WHEN commence_time <= %(received_at)s THEN 'live' ELSE 'scheduled' END
            AS status
        FROM unnest(
            %(events)s::bigint[], %(homes)s::text[], %(aways)s::text[],
            %(commence_times)s::timestamptz[]
        ) AS u (id, home, away, commence_time)
    ) AS v
    -- Only a list brings an event back: its own request may be answered for a while after its end.
    WHERE e.id = v.id AND (%(is_list)s OR e.status <> 'ended')
      AND (e.home, e.away, e.commence_time, e.status)
        IS DISTINCT FROM (v.home, v.away, v.commence_time, v.status)
),
ended AS (
    UPDATE betting_event e SET status = 'ended'
    WHERE %(is_list)s AND %(is_complete)s
      AND e.sport_id = %(sport)s AND e.status <> 'ended' AND e.commence_time <= %(received_at)s
      AND e.id <> ALL (%(events)s::bigint[])
      AND EXISTS (
          SELECT FROM betting_eventalias a
          WHERE a.event_id = e.id AND a.provider_id = %(provider)s
      )
    RETURNING e.id
),

-- What the answer says that is new. Ids are drawn here, so that history can name them. A quote
-- whose own feed has fallen silent is taken over by the feed that still lists it.
fresh AS MATERIALIZED (
    SELECT COALESCE(q.id, nextval(pg_get_serial_sequence('betting_quote', 'id'))) AS quote_id,
           i.*, q.price AS old_price, q.status AS old_status
    FROM incoming i
    LEFT JOIN betting_quote q
      ON q.outcome_id = i.outcome_id AND q.bookmaker_id = i.bookmaker_id AND q.side = i.side
    WHERE i.price IS NOT NULL AND (
        q.id IS NULL
        OR q.changed_at <= %(received_at)s AND (
            q.status <> 'active' OR q.price <> i.price OR q.feed_id IN (
                SELECT id FROM betting_feed WHERE stale_since IS NOT NULL AND id <> %(feed)s
            )
        )
    )
),
-- What it no longer offers: this feed's quotes that it takes back, those that it leaves out though
-- it is complete, and everything this provider quotes on an event that has ended.
silent AS MATERIALIZED (
    SELECT q.id AS quote_id, q.outcome_id, q.market_id, q.bookmaker_id, q.side, q.price,
           m.event_id IN (SELECT id FROM ended) AS has_ended
    FROM betting_quote q JOIN betting_market m ON m.id = q.market_id
    WHERE q.feed_id = %(feed)s AND q.status = 'active' AND %(is_complete)s
      AND NOT EXISTS (
          SELECT FROM incoming i
          WHERE i.outcome_id = q.outcome_id AND i.bookmaker_id = q.bookmaker_id
            AND i.side = q.side
      )
    UNION ALL
    SELECT q.id, q.outcome_id, q.market_id, q.bookmaker_id, q.side, q.price, false
    FROM incoming i
    JOIN betting_quote q
      ON q.outcome_id = i.outcome_id AND q.bookmaker_id = i.bookmaker_id AND q.side = i.side
    WHERE i.price IS NULL AND NOT %(is_complete)s AND q.feed_id = %(feed)s
      AND q.status = 'active' AND q.changed_at <= %(received_at)s
    UNION ALL
    SELECT q.id, q.outcome_id, q.market_id, q.bookmaker_id, q.side, q.price, true
    FROM ended
    JOIN betting_market m ON m.event_id = ended.id
    JOIN betting_quote q ON q.market_id = m.id AND q.status = 'active'
    JOIN betting_feed f ON f.id = q.feed_id
    WHERE f.provider_id = %(provider)s AND f.id <> %(feed)s AND q.changed_at <= %(received_at)s
),

opened AS (
    INSERT INTO betting_quote
        (id, outcome_id, market_id, bookmaker_id, side, feed_id, price, status, source_at,
         changed_at)
    SELECT quote_id, outcome_id, market_id, bookmaker_id, side, %(feed)s, price, 'active',
           source_at, %(received_at)s
    FROM fresh WHERE old_status IS NULL
),
rewritten AS (
    UPDATE betting_quote q
    SET feed_id = %(feed)s, price = f.price, status = 'active', source_at = f.source_at,
        changed_at = %(received_at)s
    FROM fresh f WHERE q.id = f.quote_id AND f.old_status IS NOT NULL
),
suspended AS (
    UPDATE betting_quote q SET status = 'suspended', changed_at = %(received_at)s
    FROM silent s WHERE q.id = s.quote_id
),

-- The history. A name that loses exactly one point and gains exactly one has moved: one change.
step AS (
    SELECT quote_id, outcome_id, market_id, bookmaker_id, side, old_price, price AS new_price,
           source_at,
           CASE WHEN old_status IS NULL THEN 'opened' WHEN old_status <> 'active' THEN 'resumed'
                ELSE 'price' END AS kind
    FROM fresh WHERE old_price IS DISTINCT FROM price OR old_status <> 'active'
    UNION ALL
    SELECT quote_id, outcome_id, market_id, bookmaker_id, side, price, NULL, NULL,
           CASE WHEN has_ended THEN 'ended' ELSE 'suspended' END
    FROM silent
),
paired AS (
    SELECT step.*, o.point,
           count(*) FILTER (WHERE kind IN ('opened', 'resumed')) OVER same_name = 1
               AND count(*) FILTER (WHERE kind = 'suspended') OVER same_name = 1 AS has_moved,
           max(old_price) FILTER (WHERE kind = 'suspended') OVER same_name AS left_price,
           max(o.point) FILTER (WHERE kind = 'suspended') OVER same_name AS left_point
    FROM step JOIN betting_outcome o ON o.id = step.outcome_id
    WINDOW same_name AS (PARTITION BY step.market_id, bookmaker_id, side, o.name)
),
change AS (
    SELECT quote_id, market_id, 'point' AS kind, left_price AS old_price, new_price,
           left_point AS old_point, point AS new_point, source_at
    FROM paired WHERE has_moved AND kind IN ('opened', 'resumed')
    UNION ALL
    SELECT quote_id, market_id, kind, old_price, new_price, NULL, NULL, source_at
    FROM paired WHERE NOT has_moved OR kind IN ('price', 'ended')
),
classified AS MATERIALIZED (
    SELECT quote_id, market_id, kind, old_price, new_price, old_point, new_point, source_at,
           abs(new_price - old_price) / old_price AS movement,
           CASE WHEN kind IN ('suspended', 'resumed')
                  OR abs(new_point - old_point) >= %(major_point_move)s
                  OR abs(new_price - old_price) / old_price > %(major_price_move)s
                  OR abs(1 / new_price - 1 / old_price) >= %(major_probability_move)s
                THEN 'major' ELSE 'minor' END AS classification
    FROM change
),
history AS (
    INSERT INTO betting_linechange
        (quote_id, market_id, kind, old_price, new_price, old_point, new_point, movement,
         classification, source_at, received_at)
    SELECT quote_id, market_id, kind,
           old_price, new_price, old_point, new_point, movement, classification, source_at,
           %(received_at)s
    FROM classified
),

-- The markets. A feed heard again after silence makes all its markets worth valuing anew.
heard AS (
    UPDATE betting_feed SET stale_since = NULL WHERE id = %(feed)s AND stale_since IS NOT NULL
),
touched AS MATERIALIZED (
    SELECT market_id,
           COALESCE(bool_or(classification = 'major'), false) AS is_major,
           max(movement) FILTER (WHERE classification = 'major') AS movement,
           count(*) FILTER (WHERE kind = 'opened') AS opened,
           count(*) FILTER (WHERE kind = 'price') AS price,
           count(*) FILTER (WHERE kind = 'point') AS point,
           count(*) FILTER (WHERE kind = 'suspended') AS suspended,
           count(*) FILTER (WHERE kind = 'resumed') AS resumed,
           count(*) FILTER (WHERE kind = 'ended') AS ended
    FROM (
        SELECT market_id, kind, classification, movement FROM classified
        UNION ALL
        SELECT DISTINCT market_id, NULL, NULL, NULL::float8 FROM fresh
        UNION ALL
        SELECT DISTINCT market_id, NULL, NULL, NULL::float8 FROM betting_quote
        WHERE %(was_silent)s AND feed_id = %(feed)s AND status = 'active'
    ) AS reached
    GROUP BY market_id
),
-- In id order, as every writer of markets locks them.
locked AS MATERIALIZED (
    SELECT t.* FROM betting_market m JOIN touched t ON t.market_id = m.id
    ORDER BY m.id FOR NO KEY UPDATE OF m
)
UPDATE betting_market m
SET version = m.version + 1, changed_at = %(received_at)s,
    dirty_at = CASE WHEN m.version = m.valued_version THEN clock_timestamp() ELSE m.dirty_at END
FROM locked t WHERE m.id = t.market_id
RETURNING m.id, m.version, t.is_major, t.movement,
          t.opened, t.price, t.point, t.suspended, t.resumed, t.ended
"""
