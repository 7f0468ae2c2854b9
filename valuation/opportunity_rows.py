"""The opportunities of a recompute, and the part of its statement that writes them."""

from __future__ import annotations

import numpy as np

from betting.db.sql import Bigints, Booleans, Floats
from valuation.arrays import BoolArray, FloatArray, IntArray
from valuation.closing import LOST, LOST_IN_ORDER
from valuation.covering import Bets, Covers, Offers, arrange, covers, middles
from valuation.edges import Middles, bet_odds
from valuation.models import OpportunityKind
from valuation.policy import ValuationPolicy
from valuation.unvalued import UnvaluedMarkets


def opportunity_parameters(
    unvalued: UnvaluedMarkets, is_too_old: BoolArray, policy: ValuationPolicy
) -> dict[str, object]:
    """Return the parameters of `WRITE_OPPORTUNITIES`: the opportunities among the quotes.

    Args:
        unvalued: the markets and their quotes.
        is_too_old: which quotes were confirmed too long ago for an event that has started.
        policy: says which opportunities are kept.
    """
    row, offers = _offers(unvalued, is_too_old)
    whole = covers(offers)
    pairs = middles(offers, policy.max_middle_cost)
    is_short = whole.size <= policy.max_legs
    arbitrages = np.flatnonzero(whole.is_arbitrage & is_short)
    low_holds = np.flatnonzero(whole.is_low_hold(policy.max_low_hold) & is_short)
    kept = np.concatenate([arbitrages, low_holds])
    kinds = [OpportunityKind.ARBITRAGE.value] * arbitrages.size
    kinds += [OpportunityKind.LOW_HOLD.value] * low_holds.size
    kinds += [OpportunityKind.MIDDLE.value] * pairs.gap.size

    cover_bet, cover_part = _legs(whole, kept)
    pair_bet, pair_part = _pair_legs(pairs, offers.bets.odds)
    leg = row[np.concatenate([cover_bet, pair_bet])]
    size = np.concatenate([whole.size[kept], np.full(pairs.gap.size, 2)])
    last = np.cumsum(size)
    none = np.full(kept.size, np.nan)
    first_leg = leg[last - size]
    return {
        "opportunity_kinds": kinds,
        "opportunity_markets": Bigints(unvalued.board.market_id[first_leg]),
        "opportunity_firsts": Bigints(last - size + 1),
        "opportunity_lasts": Bigints(last),
        "opportunity_booksums": Floats(np.concatenate([whole.booksum[kept], pairs.booksum])),
        "opportunity_profits": Floats(np.concatenate([whole.profit[kept], 1 / pairs.booksum - 1])),
        "opportunity_worsts": Floats(np.concatenate([whole.worst[kept], pairs.worst])),
        "opportunity_bests": Floats(np.concatenate([whole.best[kept], pairs.best])),
        "opportunity_gaps": Floats(np.concatenate([none, pairs.gap])),
        "opportunity_break_evens": Floats(np.concatenate([none, pairs.break_even])),
        "opportunity_in_play": Booleans(unvalued.is_in_play[first_leg]),
        "leg_quotes": Bigints(unvalued.quote_ids[leg]),
        "leg_bookmakers": Bigints(unvalued.board.bookmaker_id[leg]),
        "leg_prices": Floats(unvalued.board.price[leg]),
        "leg_parts": Floats(np.concatenate([cover_part, pair_part])),
    }


def _offers(unvalued: UnvaluedMarkets, is_too_old: BoolArray) -> tuple[IntArray, Offers]:
    """Return the rows of the board that can be bet on, and their bets."""
    board = unvalued.board
    row = np.flatnonzero(~(board.is_stale | is_too_old | np.isnan(board.commission)))
    is_lay = board.is_lay[row]
    bets = Bets(
        place=unvalued.bookmaker_place[row],
        outcome_id=board.outcome_id[row],
        bookmaker_id=board.bookmaker_id[row],
        is_lay=is_lay,
        odds=bet_odds(board.price[row], board.commission[row], is_lay),
    )
    return row, arrange(bets, unvalued.outcomes)


def _legs(whole: Covers, kept: IntArray) -> tuple[IntArray, FloatArray]:
    """Return the bets of some covers one after another, and the part to risk on each."""
    size = whole.size[kept]
    place = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
    leg = np.repeat(whole.first[kept], size) + place
    return whole.bet[leg], whole.part[leg]


def _pair_legs(pairs: Middles, odds: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return the bets of middles one after another, and the part to risk on each."""
    bet = np.stack([pairs.above, pairs.below], axis=1)
    part = 1 / odds[bet] / pairs.booksum[:, np.newaxis]
    return bet.ravel(), part.ravel()


WRITE_OPPORTUNITIES = f"""
-- A market that has changed since it was read is left to the recompute that is due anyway: a leg
-- may be gone with its provider.
current AS MATERIALIZED (SELECT id, version FROM accepted WHERE is_current),
opportunity AS MATERIALIZED (
    SELECT u.kind, a.id AS market_id,
           (%(leg_quotes)s::bigint[])[u.first:u.last] AS quotes,
           (%(leg_bookmakers)s::bigint[])[u.first:u.last] AS bookmakers,
           (%(leg_prices)s::float8[])[u.first:u.last] AS prices,
           (%(leg_parts)s::float8[])[u.first:u.last] AS parts,
           booksum, profit, worst, best, NULLIF(gap, 'NaN') AS gap,
           NULLIF(break_even, 'NaN') AS break_even, in_play, a.version
    FROM unnest(
        %(opportunity_kinds)s::text[], %(opportunity_markets)s::bigint[],
        %(opportunity_firsts)s::bigint[], %(opportunity_lasts)s::bigint[],
        %(opportunity_booksums)s::float8[], %(opportunity_profits)s::float8[],
        %(opportunity_worsts)s::float8[], %(opportunity_bests)s::float8[],
        %(opportunity_gaps)s::float8[], %(opportunity_break_evens)s::float8[],
        %(opportunity_in_play)s::boolean[]
    ) AS u (kind, market_id, first, last, booksum, profit, worst, best, gap, break_even, in_play)
    JOIN current a ON a.id = u.market_id
),
opportunity_opened AS (
    INSERT INTO valuation_opportunity
        (market_id, kind, quotes, bookmakers, prices, parts, booksum, profit, worst, best, gap,
         break_even, in_play, version, opened_at, updated_at)
    SELECT market_id, kind, quotes, bookmakers, prices, parts, booksum, profit, worst, best, gap,
           break_even, in_play, version, statement_timestamp(), statement_timestamp()
    FROM opportunity
    ON CONFLICT (market_id, kind, quotes) WHERE closed_at IS NULL DO UPDATE
    SET bookmakers = excluded.bookmakers, prices = excluded.prices, parts = excluded.parts,
        booksum = excluded.booksum, profit = excluded.profit, worst = excluded.worst,
        best = excluded.best, gap = excluded.gap, break_even = excluded.break_even,
        in_play = excluded.in_play, version = excluded.version,
        updated_at = excluded.updated_at
),
opportunity_closed AS (
    UPDATE valuation_opportunity o
    SET closed_at = clock_timestamp(), updated_at = clock_timestamp(), version = a.version,
        close_reason = COALESCE((
            SELECT lost.reason
            FROM betting_quote q CROSS JOIN LATERAL (SELECT {LOST} AS reason) AS lost
            WHERE q.id = ANY (o.quotes)
            ORDER BY array_position({LOST_IN_ORDER}, lost.reason) LIMIT 1
        ), 'gone')
    FROM current a
    JOIN betting_market m ON m.id = a.id
    JOIN betting_event ev ON ev.id = m.event_id
    WHERE o.market_id = a.id AND o.closed_at IS NULL
      AND NOT EXISTS (
          SELECT FROM opportunity n
          WHERE n.market_id = o.market_id AND n.kind = o.kind AND n.quotes = o.quotes
      )
)"""  # noqa: S608 - the texts above
"""WITH queries on `accepted (id, version, is_current)`, the markets that are written."""
