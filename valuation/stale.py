"""What a recompute reads: the stale ones among some markets, and the quotes that value them.

One statement reads it all as of one moment, a table at a time; NumPy joins the tables. Joined in
SQL they were at the mercy of the planner's statistics: where these were young, a batch of fifty
markets read every active quote of its feed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from betting.sql import Bigints, fetch_columns
from valuation.arrays import BoolArray, FloatArray, IntArray, positions
from valuation.board import Board

FEW = 10
"""So many markets, as of a major move, are read and written by statements that are prepared."""


@dataclass(frozen=True, slots=True)
class StaleMarkets:
    """Markets to value and their active quotes, as of one moment.

    Attributes:
        read_at: when they were read; a change not seen here was committed later.
        ids: the markets whose version differs from the valued one, (m,).
        versions: their versions, which the quotes belong to, (m,).
        dirty_ats: the commit of each market's oldest change not valued yet, (m,).
        in_play: ids of markets whose event has started.
        quote_ids: ids of the active quotes, (q,), in the order of the board's rows.
        ages: how long each quote's feed has been silent, in units of its limit, (q,).
        board: what the quotes say, (q,).
    """

    read_at: datetime
    ids: IntArray
    versions: IntArray
    dirty_ats: list[datetime | None]
    in_play: frozenset[int]
    quote_ids: IntArray
    ages: FloatArray
    board: Board


def read(market_ids: Sequence[int]) -> StaleMarkets:
    """Read the stale ones among some markets with the quotes that value them."""
    is_prepared = len(market_ids) <= FEW
    row = fetch_columns(_READ, {"markets": Bigints(market_ids)}, is_prepared=is_prepared)
    read_at, now, ids, versions, dirty_ats, in_play, changed_at = row[:7]
    quote_id, market, outcome, bookmaker, feed, is_lay, price = row[7:14]
    outcome_ids, line, bookmaker_ids, weight, commission = row[14:19]
    feeds = _Feeds(bookmaker_ids, *row[19:])

    of_feed = positions(feeds.ids, feed)
    sound = feeds.is_sound[of_feed]
    quote_id, market, outcome, bookmaker, is_lay, price = (
        column[sound] for column in (quote_id, market, outcome, bookmaker, is_lay, price)
    )
    of_feed = of_feed[sound]
    of_bookmaker = positions(bookmaker_ids, bookmaker)
    is_recorded = feeds.is_recorded[of_feed]
    # A recording's time does not pass: its quotes are as old as when the market changed.
    at = np.where(is_recorded, changed_at[positions(ids, market)], now)
    ages = feeds.ages(of_feed, of_bookmaker, at)
    return StaleMarkets(
        read_at=read_at,
        ids=ids,
        versions=versions,
        dirty_ats=dirty_ats,
        in_play=frozenset(ids[in_play].tolist()),
        quote_ids=quote_id,
        ages=ages,
        board=Board(
            market_id=market,
            outcome_id=outcome,
            line=line[positions(outcome_ids, outcome)],
            bookmaker_id=bookmaker,
            is_lay=is_lay,
            price=price,
            weight=weight[of_bookmaker],
            commission=commission[of_bookmaker],
            is_stale=is_recorded & (ages > 1),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Feeds:
    """The feeds of some quotes, and when they last said something; times in epoch seconds.

    Attributes:
        bookmakers: ids of all bookmakers, (b,).
        ids: ids of the feeds, (f,).
        is_sound: whether the provider's circuit has not opened since the feed was heard, (f,).
        is_recorded: whether the feed is a recording's, (f,).
        observed_at: when it was heard, (f,).
        limit_seconds: how long that is trusted, (f,).
        heard_feed, heard_bookmaker: ids of the pairs that are known in more detail, (h,).
        heard_at: when the feed last confirmed the bookmaker, (h,).
        heard_limit_seconds: how long that is trusted, (h,).
    """

    bookmakers: IntArray
    ids: IntArray
    is_sound: BoolArray
    is_recorded: BoolArray
    observed_at: FloatArray
    limit_seconds: FloatArray
    heard_feed: IntArray
    heard_bookmaker: IntArray
    heard_at: FloatArray
    heard_limit_seconds: FloatArray

    def ages(self, of_feed: IntArray, of_bookmaker: IntArray, at: FloatArray) -> FloatArray:
        """How long some bookmakers had gone unconfirmed, in units of their limits.

        Args:
            of_feed: the position of each one's feed, (q,).
            of_bookmaker: its own position, (q,).
            at: when, (q,).
        """
        shape = self.ids.size, self.bookmakers.size
        last = np.broadcast_to(self.observed_at[:, np.newaxis], shape).copy()
        limit = np.broadcast_to(self.limit_seconds[:, np.newaxis], shape).copy()
        heard = (
            positions(self.ids, self.heard_feed),
            positions(self.bookmakers, self.heard_bookmaker),
        )
        last[heard], limit[heard] = self.heard_at, self.heard_limit_seconds
        age: FloatArray = (at - last[of_feed, of_bookmaker]) / limit[of_feed, of_bookmaker]
        return age


_READ = """
WITH market AS MATERIALIZED (
    SELECT m.id, m.version, m.dirty_at, e.status = 'ended' AS has_ended,
           COALESCE(m.changed_at, statement_timestamp()) AS changed_at,
           e.status = 'live' OR COALESCE(m.changed_at >= e.commence_time, false) AS in_play
    FROM betting_market m JOIN betting_event e ON e.id = m.event_id
    WHERE m.id = ANY (%(markets)s::bigint[]) AND m.version <> m.valued_version
),
quote AS MATERIALIZED (
    SELECT q.* FROM market m CROSS JOIN LATERAL (
        SELECT id, market_id, outcome_id, bookmaker_id, feed_id, side, price FROM betting_quote
        WHERE market_id = m.id AND status = 'active'
        OFFSET 0 -- a fence: market by market, whatever the statistics say
    ) AS q
    WHERE NOT m.has_ended
),
feed AS MATERIALIZED (
    -- Live quotes are off the board by their status, which is the sweeper's to change, alone; what
    -- is not sound only bridges the moment between a circuit's opening and the quarantine after it.
    SELECT f.id, p.generation = f.generation AS is_sound, p.clock = 'recorded' AS is_recorded,
           f.observed_at, p.stale_after_seconds
    FROM betting_feed f JOIN betting_provider p ON p.id = f.provider_id
    WHERE f.id IN (SELECT feed_id FROM quote)
)
SELECT statement_timestamp(), extract(epoch FROM statement_timestamp())::float8,
       m.*, q.*, o.*, b.*, f.*, c.*
FROM (
    SELECT COALESCE(array_agg(id), '{}'), COALESCE(array_agg(version), '{}'),
           COALESCE(array_agg(dirty_at), '{}'), COALESCE(array_agg(in_play), '{}'),
           COALESCE(array_agg(extract(epoch FROM changed_at)::float8), '{}')
    FROM market
) AS m, (
    SELECT COALESCE(array_agg(id), '{}'), COALESCE(array_agg(market_id), '{}'),
           COALESCE(array_agg(outcome_id), '{}'), COALESCE(array_agg(bookmaker_id), '{}'),
           COALESCE(array_agg(feed_id), '{}'), COALESCE(array_agg(side = 'lay'), '{}'),
           COALESCE(array_agg(price), '{}')
    FROM quote
) AS q, (
    SELECT COALESCE(array_agg(id), '{}'), COALESCE(array_agg(COALESCE(line, 'NaN')), '{}')
    FROM betting_outcome WHERE id IN (SELECT outcome_id FROM quote)
) AS o, (
    SELECT COALESCE(array_agg(id), '{}'), COALESCE(array_agg(weight), '{}'),
           COALESCE(array_agg(commission), '{}')
    FROM betting_bookmaker
) AS b, (
    SELECT COALESCE(array_agg(id), '{}'), COALESCE(array_agg(is_sound), '{}'),
           COALESCE(array_agg(is_recorded), '{}'),
           COALESCE(array_agg(extract(epoch FROM observed_at)::float8), '{}'),
           COALESCE(array_agg(stale_after_seconds), '{}')
    FROM feed
) AS f, (
    SELECT COALESCE(array_agg(feed_id), '{}'), COALESCE(array_agg(bookmaker_id), '{}'),
           COALESCE(array_agg(extract(epoch FROM confirmed_at)::float8), '{}'),
           COALESCE(array_agg(extract(epoch FROM expires_at - confirmed_at)::float8), '{}')
    FROM betting_feedbook WHERE feed_id IN (SELECT id FROM feed)
) AS c
"""
