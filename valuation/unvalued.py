"""The input of a recompute: the unvalued ones among some markets, and the quotes that value them.

One statement reads it all as of one moment, a table at a time; NumPy joins the tables. A join in
SQL would depend on the planner's statistics: while these were young, a batch of fifty markets read
every active quote of its feed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from betting.db.price_groups import GROUP
from betting.db.sql import Bigints, fetch_all, fetch_columns
from betting.db.weights import FAMILY, PARTICULAR_WEIGHTS
from valuation.arrays import BoolArray, FloatArray, IntArray, positions
from valuation.board import Board
from valuation.confirmed import Feeds, Lagging
from valuation.covering import Outcomes
from valuation.edges import bet_odds, effective_commission

ROLE = """
    CASE o.name WHEN 'Over' THEN 1 WHEN 'Under' THEN 2
    WHEN m.home THEN 3 WHEN m.away THEN 4 ELSE 0 END::bigint
"""
"""The `covering.Role` of the outcome `o` of a market `m (home, away)`."""

FEW = 10
"""The most markets for which prepared statements read and write, as for a major move."""

MOST_AT_ONCE = 2_000
"""The most markets that are valued in one transaction, unless one event has more: 0.4 s of work."""


@dataclass(frozen=True, slots=True)
class UnvaluedMarkets:
    """Markets to value and their active quotes, as of one moment.

    Attributes:
        read_at: when they were read; a change not seen here was committed later.
        ids: the markets whose version differs from the valued one, (m,).
        versions: their versions, which the quotes belong to, (m,).
        dirty_ats: the commit of each market's oldest change not valued yet, (m,).
        quote_ids: ids of the active quotes, (q,), in the order of the board's rows.
        ages: how long ago each quote was confirmed, in units of its limit, (q,).
        age_seconds: the same in seconds, (q,).
        bookmaker_place: the place of each quote's bookmaker in the order of their keys, (q,).
        is_in_play: whether each quote's event has started: by its status, by the time of the
            market's last change, or, where a quote of the market is live, by the clock, (q,).
        is_disputed: whether another provider gives another price for the quote, (q,).
        contrary_odds: the net odds of the bet at the worst of those prices that the other provider
            looked at since the quote was priced; NaN where there is none, (q,).
        board: what the quotes say, (q,).
        outcomes: all that the markets are known to have, on offer or not, (o,).
    """

    read_at: datetime
    ids: IntArray
    versions: IntArray
    dirty_ats: list[datetime | None]
    quote_ids: IntArray
    ages: FloatArray
    age_seconds: FloatArray
    bookmaker_place: IntArray
    is_in_play: BoolArray
    is_disputed: BoolArray
    contrary_odds: FloatArray
    board: Board
    outcomes: Outcomes


@dataclass(frozen=True, slots=True)
class _Particular:
    """The weights of bookmakers on markets that are not their own ones, (w,)."""

    market_id: IntArray
    bookmaker_id: IntArray
    weight: FloatArray

    def over(self, own: FloatArray, bookmakers: IntArray, markets: IntArray) -> FloatArray:
        """Return the weight of each bookmaker on each market, shape (markets, bookmakers)."""
        table = np.tile(own, (markets.size, 1))
        cell = positions(markets, self.market_id), positions(bookmakers, self.bookmaker_id)
        table[cell] = self.weight
        return table


def read(market_ids: Sequence[int], *, by_event: bool = False) -> UnvaluedMarkets:
    """Read those among some markets that are not valued yet, with the quotes that value them.

    Args:
        market_ids: the markets.
        by_event: whether all unvalued markets of their events are read along.
    """
    is_prepared = len(market_ids) <= FEW
    statement = _READ_EVENTS if by_event else _READ
    row = fetch_columns(statement, {"markets": Bigints(market_ids)}, is_prepared=is_prepared)
    read_at, now, ids, versions, dirty_ats, in_play, has_started, changed_at = row[:8]
    quote_id, market, outcome, bookmaker, feed, is_lay, price = row[8:15]
    outcomes = Outcomes(*row[15:19])
    bookmaker_ids, weight, rate, is_contract, group = row[19:24]
    feeds = Feeds(bookmaker_ids, *row[24:33])
    lagging = Lagging(feeds.ids, bookmaker_ids, ids, *row[33:38])
    disputed, contrary_prices = row[38:40]
    particular = _Particular(*row[40:])

    of_feed = positions(feeds.ids, feed)
    sound = feeds.is_sound[of_feed]
    quote_id, market, outcome, bookmaker, is_lay, price = (
        column[sound] for column in (quote_id, market, outcome, bookmaker, is_lay, price)
    )
    of_feed = of_feed[sound]
    of_bookmaker = positions(bookmaker_ids, bookmaker)
    is_recorded = feeds.is_recorded[of_feed]
    # A recording's time does not pass: its quotes are as old as when the market changed.
    of_market = positions(ids, market)
    at = np.where(is_recorded, changed_at[of_market], now)
    confirmed_at, limit = feeds.confirmed(of_feed, of_bookmaker)
    confirmed_at, is_declared = lagging.confirmed(of_feed, of_bookmaker, of_market, confirmed_at)
    age_seconds = at - confirmed_at
    ages = age_seconds / limit
    contrary = np.full(price.shape, np.nan)
    is_disputed = np.isin(quote_id, disputed)
    contrary[is_disputed] = contrary_prices[positions(disputed, quote_id[is_disputed])]
    fee = rate[of_bookmaker], is_lay, is_contract[of_bookmaker]
    of_outcome = positions(outcomes.id, outcome)
    in_play |= has_started & np.isin(ids, market[~is_recorded])
    return UnvaluedMarkets(
        read_at=read_at,
        ids=ids,
        versions=versions,
        dirty_ats=dirty_ats,
        quote_ids=quote_id,
        ages=ages,
        age_seconds=age_seconds,
        bookmaker_place=of_bookmaker,
        is_in_play=in_play[of_market],
        is_disputed=is_disputed,
        contrary_odds=bet_odds(contrary, effective_commission(contrary, *fee), is_lay),
        board=Board(
            market_id=market,
            outcome_id=outcome,
            line=outcomes.line[of_outcome],
            bookmaker_id=bookmaker,
            is_lay=is_lay,
            price=price,
            weight=particular.over(weight, bookmaker_ids, ids)[of_market, of_bookmaker]
            if particular.weight.size
            else weight[of_bookmaker],
            commission=effective_commission(price, *fee),
            is_stale=is_declared | is_recorded & (ages > 1),
            role=outcomes.role[of_outcome],
            group_id=group[of_bookmaker],
        ),
        outcomes=outcomes,
    )


def parts_by_event(market_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Divide markets into parts of whole events, each of which is soon valued.

    A message of 500 markets may be of 500 events, of which all that is unvalued is taken along.
    """
    if len(market_ids) <= FEW:
        yield market_ids
        return
    part, count = list[int](), 0
    for of_event, unvalued in fetch_all(_EVENT_SIZES, {"markets": Bigints(market_ids)}):
        if part and count + unvalued > MOST_AT_ONCE:
            yield part
            part, count = [], 0
        part, count = part + of_event, count + unvalued
    yield part


_EVENT_SIZES = """
WITH asked AS MATERIALIZED (
    SELECT event_id, array_agg(id ORDER BY id) AS ids
    FROM betting_market WHERE id = ANY (%(markets)s::bigint[])
    GROUP BY event_id
)
SELECT a.ids, u.unvalued
FROM asked a
CROSS JOIN LATERAL (
    SELECT count(*) AS unvalued FROM betting_market m
    WHERE m.event_id = a.event_id AND m.version <> m.valued_version
    OFFSET 0 -- a fence: event by event, whatever the statistics say
) AS u
ORDER BY a.event_id
"""

_MARKETS = "m.id = ANY (%(markets)s::bigint[])"
_EVENTS = """m.event_id = ANY (ARRAY(
        SELECT event_id FROM betting_market WHERE id = ANY (%(markets)s::bigint[])
    ))"""

_READ = f"""
WITH market AS MATERIALIZED (
    SELECT m.id, m.version, m.dirty_at, e.status = 'ended' AS has_ended,
           COALESCE(m.changed_at, statement_timestamp()) AS changed_at,
           e.status = 'live' OR COALESCE(m.changed_at >= e.commence_time, false) AS in_play,
           e.commence_time <= statement_timestamp() AS has_started, e.home, e.away, m.kind,
           {FAMILY} AS family
    FROM betting_market m
    JOIN betting_event e ON e.id = m.event_id
    JOIN betting_sport s ON s.id = e.sport_id
    WHERE {_MARKETS} AND m.version <> m.valued_version
),
quote AS MATERIALIZED (
    SELECT q.* FROM market m CROSS JOIN LATERAL (
        SELECT id, market_id, outcome_id, bookmaker_id, feed_id, side, price,
               LEAST(source_at, changed_at) AS priced_at
        FROM betting_quote
        WHERE market_id = m.id AND status = 'active'
        OFFSET 0 -- a fence: market by market, whatever the statistics say
    ) AS q
    WHERE NOT m.has_ended
),
outcome AS MATERIALIZED (
    SELECT o.* FROM market m CROSS JOIN LATERAL (
        SELECT o.id, o.market_id, o.line, {ROLE} AS role
        FROM betting_outcome o
        WHERE o.market_id = m.id
        OFFSET 0 -- as above
    ) AS o
    WHERE NOT m.has_ended
),
feed AS MATERIALIZED (
    -- No clock is asked about live quotes: they are off the board by their status, or stale by
    -- what their bookmaker's row declares, both of which raise the market's version when they
    -- change. What is not sound only bridges the moment between a circuit's opening and the
    -- quarantine after it.
    SELECT f.id, p.generation = f.generation AS is_sound, p.clock = 'recorded' AS is_recorded,
           f.observed_at, p.stale_after_seconds
    FROM betting_feed f JOIN betting_provider p ON p.id = f.provider_id
    WHERE f.id IN (SELECT feed_id FROM quote)
),
-- Those of these markets that a bookmaker's row names. Of a recording all of its markets may be
-- declared too old, also those that do not lag.
lagging AS MATERIALIZED (
    SELECT b.feed_id, b.bookmaker_id, l.market_id, max(l.at) AS at, bool_or(l.is_stale) AS is_stale
    FROM betting_feedbook b CROSS JOIN LATERAL (
        SELECT market_id, at, false AS is_stale
        FROM unnest(b.lagging_markets, b.lagging_ats) AS u (market_id, at)
        UNION ALL
        SELECT market_id, NULL, true FROM unnest(b.stale_markets) AS u (market_id)
    ) AS l
    WHERE b.feed_id IN (SELECT id FROM feed) AND l.market_id IN (SELECT id FROM market)
    GROUP BY b.feed_id, b.bookmaker_id, l.market_id
),
-- What other providers say otherwise of these quotes, as `betting.db.freshness.disputes` has it but
-- for the clock, which is asked of recordings alone. Who looked before the quote was priced has yet
-- to see that price, and contradicts nothing.
rival AS MATERIALIZED (
    SELECT q.id, COALESCE(CASE q.side
               WHEN 'lay' THEN max(r.price) FILTER (WHERE r.looked_at >= q.priced_at)
               ELSE min(r.price) FILTER (WHERE r.looked_at >= q.priced_at)
           END, 'NaN') AS contrary
    FROM quote q
    JOIN market m ON m.id = q.market_id
    JOIN betting_feed held ON held.id = q.feed_id
    JOIN betting_rivalquote r ON r.quote_id = q.id AND r.price <> q.price
    JOIN betting_feed f ON f.id = r.feed_id AND f.provider_id <> held.provider_id
    JOIN betting_provider p ON p.id = f.provider_id AND p.generation = f.generation
    LEFT JOIN betting_feedbook b ON b.feed_id = f.id AND b.bookmaker_id = q.bookmaker_id
    LEFT JOIN LATERAL unnest(b.lagging_markets, b.lagging_ats)
      AS l (market_id, at) ON l.market_id = m.id
    WHERE m.id <> ALL (COALESCE(b.stale_markets, '{{}}')) AND (
        p.clock = 'wall' OR m.changed_at <= COALESCE(
            COALESCE(l.at, b.confirmed_at) + (b.expires_at - b.confirmed_at),
            f.observed_at + make_interval(secs => p.stale_after_seconds)
        )
    )
    GROUP BY q.id, q.side
),
particular AS MATERIALIZED ({PARTICULAR_WEIGHTS})
SELECT statement_timestamp(), extract(epoch FROM statement_timestamp())::float8,
       m.*, q.*, o.*, b.*, f.*, c.*, l.*, r.*, w.*
FROM (
    SELECT COALESCE(array_agg(id), '{{}}'), COALESCE(array_agg(version), '{{}}'),
           COALESCE(array_agg(dirty_at), '{{}}'), COALESCE(array_agg(in_play), '{{}}'),
           COALESCE(array_agg(has_started), '{{}}'),
           COALESCE(array_agg(extract(epoch FROM changed_at)::float8), '{{}}')
    FROM market
) AS m, (
    SELECT COALESCE(array_agg(id), '{{}}'), COALESCE(array_agg(market_id), '{{}}'),
           COALESCE(array_agg(outcome_id), '{{}}'), COALESCE(array_agg(bookmaker_id), '{{}}'),
           COALESCE(array_agg(feed_id), '{{}}'), COALESCE(array_agg(side = 'lay'), '{{}}'),
           COALESCE(array_agg(price), '{{}}')
    FROM quote
) AS q, (
    SELECT COALESCE(array_agg(id), '{{}}'), COALESCE(array_agg(market_id), '{{}}'),
           COALESCE(array_agg(COALESCE(line, 'NaN')), '{{}}'), COALESCE(array_agg(role), '{{}}')
    FROM outcome
) AS o, (
    SELECT COALESCE(array_agg(id), '{{}}'), COALESCE(array_agg(weight), '{{}}'),
           -- No price of one that is no venue is an edge, as of one whose fee is not known.
           COALESCE(array_agg(
               CASE WHEN is_venue THEN COALESCE(commission, 'NaN') ELSE 'NaN' END
           ), '{{}}'),
           COALESCE(array_agg(fee_model = 'contract'), '{{}}'),
           COALESCE(array_agg({GROUP}), '{{}}')
    -- In this order one of equally good bets is a leg: ids depend on who came first.
    FROM (SELECT * FROM betting_bookmaker ORDER BY key) AS b
) AS b, (
    SELECT COALESCE(array_agg(id), '{{}}'), COALESCE(array_agg(is_sound), '{{}}'),
           COALESCE(array_agg(is_recorded), '{{}}'),
           COALESCE(array_agg(extract(epoch FROM observed_at)::float8), '{{}}'),
           COALESCE(array_agg(stale_after_seconds), '{{}}')
    FROM feed
) AS f, (
    SELECT COALESCE(array_agg(feed_id), '{{}}'), COALESCE(array_agg(bookmaker_id), '{{}}'),
           COALESCE(array_agg(extract(epoch FROM confirmed_at)::float8), '{{}}'),
           COALESCE(array_agg(extract(epoch FROM expires_at - confirmed_at)::float8), '{{}}')
    FROM betting_feedbook WHERE feed_id IN (SELECT id FROM feed)
) AS c, (
    SELECT COALESCE(array_agg(feed_id), '{{}}'), COALESCE(array_agg(bookmaker_id), '{{}}'),
           COALESCE(array_agg(market_id), '{{}}'),
           COALESCE(array_agg(COALESCE(extract(epoch FROM at)::float8, 'NaN')), '{{}}'),
           COALESCE(array_agg(is_stale), '{{}}')
    FROM lagging
) AS l, (
    SELECT COALESCE(array_agg(id), '{{}}'), COALESCE(array_agg(contrary), '{{}}') FROM rival
) AS r, (
    SELECT COALESCE(array_agg(market_id), '{{}}'), COALESCE(array_agg(bookmaker_id), '{{}}'),
           COALESCE(array_agg(weight), '{{}}')
    FROM particular
) AS w
"""  # noqa: S608 - the texts of `betting.db.weights`, and the condition above

_READ_EVENTS = _READ.replace(_MARKETS, _EVENTS, 1)
