"""Taking the closing prices of events that have started, and again where the start has moved.

`Event.closed_for` is the start that an event's closes were taken at. It, the closes and what edges
were worth by them are written in one transaction. All of it follows from the history of prices, so
it does not matter how late it is done.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from django.db import DataError, IntegrityError, transaction

from betting.db.price_groups import GROUP
from betting.db.sql import Bigints, Booleans, Floats, execute, fetch_all, fetch_columns
from betting.db.weights import FAMILY, WEIGHT
from streaming.core.participants import sport_family
from streaming.ingest.locks import try_lock_family
from valuation.arrays import positions
from valuation.closes.clv import OpenedEdges, edge_closes
from valuation.closes.rebuild import (
    ANCHORS,
    MAX_AGE_SECONDS,
    TOO_OLD,
    Closes,
    PriceHistory,
    closes,
)
from valuation.policy import ValuationPolicy
from valuation.reasons import REASON_TEXT
from valuation.unvalued import ROLE

MAX_EVENTS = 10
"""Events whose closes one sweep takes; the next sweep takes the rest."""

GRACE_SECONDS = 30.0
"""Answers that came before the start may be ingested for this long after it."""


logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """The result of one step.

    Attributes:
        events: events whose closes were taken.
        withdrawn: events whose closes were taken and hold no longer: their start has moved.
    """

    events: int
    withdrawn: int


def take(policy: ValuationPolicy) -> Taken:
    """Take the closes of events that have started, and withdraw those of starts that have moved.

    Idempotent by `Event.closed_for`. An event that an ingest may be writing is left to the next
    step: an answer that comes late, from before the start, is then either read, or its ingest sees
    that the event is closed and has it closed again.
    """
    found = [event for (event,) in fetch_all(_FIND, {**_LIMITS, "events": MAX_EVENTS})]
    if not found:
        return Taken(0, 0)
    try:
        return _take_together(found, policy)
    except (DataError, IntegrityError):
        one_by_one = [_take_alone(event, policy) for event in found]
    return Taken(sum(each.events for each in one_by_one), sum(e.withdrawn for e in one_by_one))


def are_due() -> bool:
    """Return True if a step would find something to do."""
    return bool(fetch_all(_FIND, {**_LIMITS, "events": 1}))


def _take_alone(event: int, policy: ValuationPolicy) -> Taken:
    """Take the closes of one event; leave it without any, for good, if the database refuses them.

    Otherwise it would keep all others from theirs.
    """
    try:
        return _take_together([event], policy)
    except (DataError, IntegrityError):
        logger.exception("the closing prices of event %s were refused; it has none", event)
        # Those of a start that has moved since hold no longer. It may have moved again meanwhile.
        return replace(_take_together([event], None), events=0)


def _take_together(found: Sequence[int], policy: ValuationPolicy | None) -> Taken:
    """Take the closes of events in one transaction; without a policy they are left without any."""
    with transaction.atomic():
        free = Bigints(_between_answers(found))
        # Markets first, as those do who delete them with their event.
        fetch_all(_LOCK_MARKETS, {"events": free})
        locked = fetch_all(_LOCK_EVENTS, {**_LIMITS, "events": free})
        events = Bigints(event for event, _ in locked)
        due = [event for event, is_due in locked if is_due]
        for statement in (_DELETE_EDGES, _DELETE_PRICES, _DELETE_QUOTES):
            execute(statement, {"events": events})
        if due and policy is not None:
            _take(due, policy)
        execute(_MARK, {"events": events, "due": Bigints(due)})
    return Taken(len(due), len(locked) - len(due))


def _between_answers(found: Sequence[int]) -> list[int]:
    """Return the events of families of which no answer is being ingested; lock these families."""
    families: dict[str, list[int]] = {}
    for event, sport_key in fetch_all(_SPORTS, {"events": Bigints(found)}):
        families.setdefault(sport_family(sport_key), []).append(event)
    return [
        event for family, events in families.items() if try_lock_family(family) for event in events
    ]


def _take(events: Sequence[int], policy: ValuationPolicy) -> None:
    """Write the closes of events, none of which has any."""
    history = read(events)
    found = closes(history, policy)
    execute(_INSERT_PRICES, _price_parameters(history, found, policy))
    execute(
        _INSERT_QUOTES,
        {
            "quotes": Bigints(history.quote_id),
            "prices": Floats(found.books.price),
            "seen_ats": Floats(found.books.at),
            "reasons": found.books.reason,
        },
    )
    _judge(history, found)


def _judge(history: PriceHistory, found: Closes) -> None:
    """Write what edges that opened before the start are worth by the closes."""
    row = fetch_columns(_EDGES, {"quotes": Bigints(history.quote_id)})
    edges = OpenedEdges(*row)
    judged = edge_closes(edges, history, found)
    # Each anchor that has a close has a quote in the history.
    anchors = {
        int(anchor): int(bookmaker)
        for anchor, bookmaker in zip(history.anchor, history.bookmaker_id, strict=True)
    }
    execute(
        _INSERT_EDGES,
        {
            "edges": Bigints(edges.edge_id[judged.place]),
            "probabilities": Floats(judged.winning),
            "books": Bigints(judged.books),
            "by_others": Booleans(judged.by_others),
            "opened_evs": Floats(judged.opened_ev),
            "opened_clvs": Floats(judged.opened_clv),
            "best_prices": Floats(edges.best_price[judged.place]),
            "best_clvs": Floats(judged.best_clv),
            "anchors": Bigints(
                0 if anchor < 0 else anchors[anchor] for anchor in judged.anchor.tolist()
            ),
            "anchor_probabilities": Floats(judged.anchor_winning),
            "anchor_opened_clvs": Floats(judged.anchor_opened_clv),
            "anchor_best_clvs": Floats(judged.anchor_best_clv),
            "aheads": Floats(edges.ahead_seconds[judged.place]),
            "opens": Floats(edges.open_seconds[judged.place]),
        },
    )


def read(events: Sequence[int], seconds_before: float | None = None) -> PriceHistory:
    """Read the history of some events' prices before their start, as far as it is needed.

    Args:
        events: their ids.
        seconds_before: read what had arrived so long before the start, of events of any age. Poll
            runs are kept for days only: where none is left of that time, a live price that stands
            is taken as seen then, for a feed that falls silent has its prices quarantined.
    """
    row = fetch_columns(
        _READ,
        {
            "events": Bigints(events),
            "age": MAX_AGE_SECONDS,
            "anchors": list(ANCHORS),
            "before": seconds_before or 0.0,
            "is_later": seconds_before is not None,
        },
    )
    # The columns of the quotes, then those of their changes: the first names the changed quote.
    columns = [*row]
    columns[-4] = positions(row[0], row[-4])
    return PriceHistory(*columns)


def _price_parameters(
    history: PriceHistory, found: Closes, policy: ValuationPolicy
) -> dict[str, object]:
    fair = found.fair
    return {
        "outcomes": Bigints(fair.outcome_id),
        "probabilities": Floats(fair.probability),
        "priced_ats": Floats(fair.at),
        "books": Bigints(fair.books),
        "reasons": [REASON_TEXT[reason] for reason in fair.reason.tolist()],
        "priced_once": Bigints(np.unique(history.outcome_id)),
        "too_old": TOO_OLD,
        "method": policy.method,
    }


_LIMITS = {"grace": GRACE_SECONDS, "age": MAX_AGE_SECONDS}

# The time of a recording passes with its answers. What a recorded provider said before the start is
# all there once it has said anything since; one whose recording ends before is waited for until
# another one is far past the start. The events of an answer are there before its prices, and at a
# provider's first answer before its feed: until that is there, nothing is known to be complete.
_IS_DUE = """
    e.commence_time <= statement_timestamp() - make_interval(secs => %(grace)s)
    AND COALESCE((
        SELECT min(clock.at) >= e.commence_time
            OR max(clock.at) >= e.commence_time + make_interval(secs => %(age)s)
        FROM betting_eventalias a
        JOIN betting_provider p ON p.id = a.provider_id AND p.clock = 'recorded'
        CROSS JOIN LATERAL (
            SELECT COALESCE(max(f.observed_at), '-infinity') AS at
            FROM betting_feed f WHERE f.provider_id = p.id
        ) AS clock
        WHERE a.event_id = e.id
    ), true)
"""

_FIND = f"""
(
    SELECT e.id FROM betting_event e
    WHERE e.closed_for < e.commence_time OR e.closed_for > e.commence_time
    -- In the order of its index: PostgreSQL expects most rows to differ, and would read them all.
    ORDER BY e.id LIMIT %(events)s
) UNION ALL (
    SELECT e.id FROM betting_event e WHERE e.closed_for IS NULL AND {_IS_DUE}
    ORDER BY e.commence_time, e.id LIMIT %(events)s
)
LIMIT %(events)s
"""  # noqa: S608 - the condition above

_SPORTS = """
SELECT e.id, s.key FROM betting_event e JOIN betting_sport s ON s.id = e.sport_id
WHERE e.id = ANY (%(events)s::bigint[])
"""

# In id order, as every writer of markets locks them. Nobody but who deletes a market waits for it.
_LOCK_MARKETS = """
SELECT id FROM betting_market WHERE event_id = ANY (%(events)s::bigint[])
ORDER BY id FOR KEY SHARE
"""

_LOCK_EVENTS = f"""
SELECT e.id, {_IS_DUE} FROM betting_event e
WHERE e.id = ANY (%(events)s::bigint[]) AND e.closed_for IS DISTINCT FROM e.commence_time
ORDER BY e.id FOR NO KEY UPDATE OF e SKIP LOCKED
"""  # noqa: S608 - the condition above

_MARK = """
UPDATE betting_event e
SET closed_for = CASE WHEN e.id = ANY (%(due)s::bigint[]) THEN e.commence_time END
WHERE e.id = ANY (%(events)s::bigint[])
"""

# As arrays, which are found before the deletion is planned: joined to it, they are looked for among
# all closes there are.
_OUTCOMES = """ANY (ARRAY(
    SELECT o.id FROM betting_market m JOIN betting_outcome o ON o.market_id = m.id
    WHERE m.event_id = ANY (%(events)s::bigint[])
))"""

_QUOTES = f"ANY (ARRAY(SELECT id FROM betting_quote WHERE outcome_id = {_OUTCOMES}))"  # noqa: S608

_DELETE_PRICES = f"DELETE FROM valuation_closingprice WHERE outcome_id = {_OUTCOMES}"  # noqa: S608

_DELETE_QUOTES = f"DELETE FROM valuation_closingquote WHERE quote_id = {_QUOTES}"  # noqa: S608

_DELETE_EDGES = f"""
DELETE FROM valuation_edgeclosing
WHERE edge_id = ANY (ARRAY(SELECT id FROM valuation_edge WHERE quote_id = {_QUOTES}))
"""  # noqa: S608 - the query above

_INSERT_PRICES = """
INSERT INTO valuation_closingprice
    (outcome_id, market_id, closes_at, reason, probability, priced_at, method, books, version,
     taken_at)
SELECT o.id, m.id, e.commence_time, COALESCE(c.reason, %(too_old)s),
       NULLIF(c.probability, 'NaN'), to_timestamp(NULLIF(c.priced_at, 'NaN')), %(method)s,
       COALESCE(c.books, 0), m.version, statement_timestamp()
FROM betting_event e
JOIN betting_market m ON m.event_id = e.id
JOIN betting_outcome o ON o.market_id = m.id
LEFT JOIN unnest(
    %(outcomes)s::bigint[], %(probabilities)s::float8[], %(priced_ats)s::float8[],
    %(books)s::bigint[], %(reasons)s::text[]
) AS c (outcome_id, probability, priced_at, books, reason) ON c.outcome_id = o.id
WHERE o.id = ANY (%(priced_once)s::bigint[])
"""

_INSERT_QUOTES = """
INSERT INTO valuation_closingquote
    (quote_id, market_id, closes_at, reason, price, seen_at, version, taken_at)
SELECT c.quote_id, m.id, e.commence_time, c.reason, NULLIF(c.price, 'NaN'),
       to_timestamp(NULLIF(c.seen_at, 'NaN')), m.version, statement_timestamp()
FROM unnest(
    %(quotes)s::bigint[], %(prices)s::float8[], %(seen_ats)s::float8[], %(reasons)s::text[]
) AS c (quote_id, price, seen_at, reason)
JOIN betting_quote q ON q.id = c.quote_id
JOIN betting_market m ON m.id = q.market_id
JOIN betting_event e ON e.id = m.event_id
"""

# The edges that opened before the start. An edge's times are the database's: those of a recording
# are what had arrived of the market by then.
_EDGES = """
WITH edge AS MATERIALIZED (
    SELECT e.id, e.quote_id, e.opened_at, e.closed_at, e.opened_price, e.opened_probability,
           q.side, p.clock, m.id AS market_id, ev.commence_time AS closes_at
    FROM betting_quote q
    JOIN valuation_edge e ON e.quote_id = q.id
    JOIN betting_market m ON m.id = q.market_id
    JOIN betting_event ev ON ev.id = m.event_id
    JOIN betting_feed f ON f.id = q.feed_id
    JOIN betting_provider p ON p.id = f.provider_id
    WHERE q.id = ANY (%(quotes)s::bigint[])
),
timed AS MATERIALIZED (
    SELECT edge.id, edge.opened_at AS opened, edge.closed_at AS closed
    FROM edge WHERE clock = 'wall'
    UNION ALL
    SELECT edge.id, arrived.opened, CASE WHEN edge.closed_at IS NOT NULL THEN arrived.closed END
    FROM edge CROSS JOIN LATERAL (
        SELECT max(c.received_at) FILTER (WHERE c.recorded_at <= edge.opened_at) AS opened,
               max(c.received_at) FILTER (WHERE c.recorded_at <= edge.closed_at) AS closed
        FROM betting_outcome o
        JOIN betting_quote q ON q.outcome_id = o.id
        JOIN betting_linechange c ON c.quote_id = q.id AND c.kind <> 'quarantined'
        WHERE o.market_id = edge.market_id
    ) AS arrived
    WHERE clock <> 'wall'
),
priced AS MATERIALIZED (
    SELECT edge.id, edge.quote_id, edge.opened_price, edge.opened_probability,
           CASE edge.side WHEN 'lay' THEN LEAST(edge.opened_price, had.lowest)
                ELSE GREATEST(edge.opened_price, had.highest) END AS best_price,
           extract(epoch FROM edge.closes_at - timed.opened)::float8 AS ahead,
           extract(epoch FROM GREATEST(
               LEAST(edge.closes_at, timed.closed), timed.opened) - timed.opened)::float8 AS open
    FROM edge
    JOIN timed ON timed.id = edge.id AND timed.opened < edge.closes_at
    CROSS JOIN LATERAL (
        SELECT min(c.new_price) AS lowest, max(c.new_price) AS highest
        FROM betting_linechange c
        WHERE c.quote_id = edge.quote_id AND c.received_at < edge.closes_at
          AND c.recorded_at > edge.opened_at
          AND c.recorded_at <= COALESCE(edge.closed_at, 'infinity')
    ) AS had
)
SELECT COALESCE(array_agg(id ORDER BY id), '{}'), COALESCE(array_agg(quote_id ORDER BY id), '{}'),
       COALESCE(array_agg(opened_price ORDER BY id), '{}'),
       COALESCE(array_agg(opened_probability ORDER BY id), '{}'),
       COALESCE(array_agg(best_price ORDER BY id), '{}'),
       COALESCE(array_agg(ahead ORDER BY id), '{}'), COALESCE(array_agg(open ORDER BY id), '{}')
FROM priced
"""

_INSERT_EDGES = """
INSERT INTO valuation_edgeclosing
    (edge_id, market_id, closes_at, probability, books, by_others, opened_ev, opened_clv,
     best_price, best_clv, anchor_id, anchor_probability, anchor_opened_clv, anchor_best_clv,
     ahead_seconds, open_seconds, version, taken_at)
SELECT c.edge_id, m.id, ev.commence_time, c.probability, c.books, c.by_others, c.opened_ev,
       c.opened_clv, c.best_price, c.best_clv, NULLIF(c.anchor_id, 0),
       NULLIF(c.anchor_probability, 'NaN'), NULLIF(c.anchor_opened_clv, 'NaN'),
       NULLIF(c.anchor_best_clv, 'NaN'), c.ahead, c.open, m.version, statement_timestamp()
FROM unnest(
    %(edges)s::bigint[], %(probabilities)s::float8[], %(books)s::bigint[],
    %(by_others)s::boolean[], %(opened_evs)s::float8[], %(opened_clvs)s::float8[],
    %(best_prices)s::float8[], %(best_clvs)s::float8[], %(anchors)s::bigint[],
    %(anchor_probabilities)s::float8[], %(anchor_opened_clvs)s::float8[],
    %(anchor_best_clvs)s::float8[], %(aheads)s::float8[], %(opens)s::float8[]
) AS c (edge_id, probability, books, by_others, opened_ev, opened_clv, best_price, best_clv,
        anchor_id, anchor_probability, anchor_opened_clv, anchor_best_clv, ahead, open)
JOIN valuation_edge e ON e.id = c.edge_id
JOIN betting_quote q ON q.id = e.quote_id
JOIN betting_market m ON m.id = q.market_id
JOIN betting_event ev ON ev.id = m.event_id
"""

_READ = f"""
WITH quote AS MATERIALIZED (
    SELECT q.id, o.market_id, o.id AS outcome_id, o.name, o.point, o.line, {ROLE} AS role,
           q.bookmaker_id, q.side, q.feed_id, q.status, q.price, q.changed_at,
           m.event_id, m.closes_at, m.family, m.kind
    FROM (
        SELECT m.id, m.kind, {FAMILY} AS family, e.id AS event_id, e.home, e.away,
               e.commence_time - make_interval(secs => %(before)s) AS closes_at
        FROM betting_event e
        JOIN betting_sport s ON s.id = e.sport_id
        JOIN betting_market m ON m.event_id = e.id
        WHERE e.id = ANY (%(events)s::bigint[])
    ) AS m
    JOIN betting_outcome o ON o.market_id = m.id
    JOIN betting_quote q ON q.outcome_id = o.id
),
recorded AS MATERIALIZED (
    SELECT c.id, c.quote_id, c.kind, c.received_at, c.old_price, c.new_price, c.old_point
    FROM quote q JOIN betting_linechange c ON c.quote_id = q.id AND c.received_at < q.closes_at
),
change AS (
    SELECT id, quote_id, received_at, old_price, new_price FROM recorded
    UNION ALL
    -- A point that moved is one change, of the quote at the new point: the one at the old is gone.
    SELECT r.id, was.id, r.received_at, r.old_price, NULL
    FROM recorded r
    JOIN quote q ON q.id = r.quote_id
    JOIN quote was ON was.market_id = q.market_id AND was.bookmaker_id = q.bookmaker_id
        AND was.side = q.side AND was.name = q.name AND was.point = r.old_point
    WHERE r.kind = 'point'
    UNION ALL
    -- Retention may have taken the history of a price that stands unchanged.
    SELECT 0, id, changed_at, NULL, price FROM quote
    WHERE status = 'active' AND changed_at < closes_at
      AND NOT EXISTS (SELECT FROM recorded r WHERE r.quote_id = quote.id)
),
needed AS MATERIALIZED (
    SELECT change.*
    FROM (
        SELECT *, lead(received_at) OVER (PARTITION BY quote_id ORDER BY id) AS until FROM change
    ) AS change
    JOIN quote ON quote.id = change.quote_id
    WHERE until IS NULL OR until >= closes_at - make_interval(secs => %(age)s)
),
-- Whatever changes of an event, its feed was answered then; to withdraw prices from a silent feed
-- needs no answer of it.
seen AS MATERIALIZED (
    SELECT q.event_id, q.feed_id, q.closes_at, max(r.received_at) AS at
    FROM quote q LEFT JOIN recorded r ON r.quote_id = q.id AND r.kind <> 'quarantined'
    GROUP BY q.event_id, q.feed_id, q.closes_at
),
-- An answer that changes nothing is recorded with the poll alone, by the time that passes now.
answered AS MATERIALIZED (
    SELECT s.event_id, s.feed_id, GREATEST(s.at, polled.at, CASE
        WHEN %(is_later)s AND p.clock = 'wall' AND NOT EXISTS (
            SELECT FROM streaming_pollrun r
            WHERE r.provider_id = p.id
              AND r.started_at < s.closes_at - make_interval(secs => %(age)s)
        ) THEN s.closes_at
    END) AS at
    FROM seen s
    JOIN betting_feed f ON f.id = s.feed_id
    JOIN betting_provider p ON p.id = f.provider_id
    LEFT JOIN LATERAL (
        SELECT max(r.started_at) AS at FROM streaming_pollrun r
        WHERE p.clock = 'wall' AND r.provider_id = p.id AND r.feed = f.key AND r.outcome = 'ok'
          AND r.started_at < s.closes_at
          AND r.started_at >= s.closes_at - make_interval(secs => %(age)s)
    ) AS polled ON true
)
SELECT q.*, c.*
FROM (
    SELECT COALESCE(array_agg(q.id ORDER BY q.id), '{{}}'),
           COALESCE(array_agg(q.market_id ORDER BY q.id), '{{}}'),
           COALESCE(array_agg(q.outcome_id ORDER BY q.id), '{{}}'),
           COALESCE(array_agg(COALESCE(q.line, 'NaN') ORDER BY q.id), '{{}}'),
           COALESCE(array_agg(q.role ORDER BY q.id), '{{}}'),
           COALESCE(array_agg(q.bookmaker_id ORDER BY q.id), '{{}}'),
           COALESCE(array_agg({GROUP} ORDER BY q.id), '{{}}'),
           COALESCE(array_agg(q.side = 'lay' ORDER BY q.id), '{{}}'),
           COALESCE(array_agg({WEIGHT} ORDER BY q.id), '{{}}'),
           COALESCE(array_agg(COALESCE(b.commission, 'NaN') ORDER BY q.id), '{{}}'),
           COALESCE(array_agg(b.fee_model = 'contract' ORDER BY q.id), '{{}}'),
           COALESCE(array_agg(COALESCE(array_position(%(anchors)s::text[], b.key::text)::bigint, 0)
               - 1 ORDER BY q.id), '{{}}'),
           COALESCE(array_agg(extract(epoch FROM q.closes_at)::float8 ORDER BY q.id), '{{}}'),
           COALESCE(array_agg(
               COALESCE(extract(epoch FROM a.at)::float8, 'NaN') ORDER BY q.id), '{{}}')
    FROM quote q
    JOIN betting_bookmaker b ON b.id = q.bookmaker_id
    CROSS JOIN LATERAL (SELECT q.family, q.kind) AS m
    JOIN answered a ON a.event_id = q.event_id AND a.feed_id = q.feed_id
    -- What had no price before the start is no part of the close, whenever that is taken.
    WHERE q.id IN (SELECT quote_id FROM needed)
) AS q, (
    SELECT COALESCE(array_agg(quote_id ORDER BY quote_id, id), '{{}}'),
           COALESCE(
               array_agg(extract(epoch FROM received_at)::float8 ORDER BY quote_id, id), '{{}}'),
           COALESCE(array_agg(COALESCE(new_price, 'NaN') ORDER BY quote_id, id), '{{}}'),
           COALESCE(array_agg(COALESCE(old_price, 'NaN') ORDER BY quote_id, id), '{{}}')
    FROM needed
) AS c
"""  # noqa: S608 - the texts of `betting.db.weights` and `valuation.unvalued`
