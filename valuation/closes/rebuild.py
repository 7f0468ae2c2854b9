"""The close of markets, rebuilt from the history of their prices by the valuation's own rules.

A bookmaker's close is its last price before the event's start. An outcome's close is its fair
price then; where prices were taken off before the start, the fair price just before that.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from valuation.arrays import BoolArray, FloatArray, IntArray, is_new, number
from valuation.board import Board, Edges, FairPrices, value
from valuation.edges import bet_odds, effective_commission
from valuation.policy import ValuationPolicy
from valuation.reasons import Reason

MAX_AGE_SECONDS = 600.0
"""A price that nobody has seen for longer before the start is no close."""

MAX_LOOKS = 20
"""The moments before the start at which a market is valued, the newest ones."""

ANCHORS = (
    "pinnacle",
    "betfair_ex_uk",
    "betfair_ex_eu",
    "betfair_ex_au",
    "smarkets",
    "matchbook",
)
"""Bookmakers whose close is a yardstick by itself, the best first; keys as feeds write them."""

TOO_OLD = f"the last price was more than {MAX_AGE_SECONDS / 60:.0f} minutes old at the start"


@dataclass(frozen=True, slots=True)
class PriceHistory:
    """Quotes of events that have started, and their changes before the start: one at least of each.

    Times are in seconds since 1970. Columns of quotes have the shape (q,), those of changes (c,):
    by quote, then in the order of their arrival.

    Attributes:
        quote_id, market_id, outcome_id, line, role, bookmaker_id, group_id, is_lay, weight: as in
            `Board`.
        rate: of the bookmaker's fee; NaN where it is not known.
        is_contract: whether that is a fee on contracts.
        anchor: the bookmaker's place in `ANCHORS`; −1 for any other.
        closes_at: the start of the quote's event, or the moment before it that was asked for.
        seen_at: when the quote's feed was last known to have been answered before that; NaN if it
            was not.
        change_quote: the index of the changed quote.
        change_at: when the change arrived.
        change_price: the price from then on; NaN if it was taken off.
        change_old: the price until then; NaN where there was none.
    """

    quote_id: IntArray
    market_id: IntArray
    outcome_id: IntArray
    line: FloatArray
    role: IntArray
    bookmaker_id: IntArray
    group_id: IntArray
    is_lay: BoolArray
    weight: FloatArray
    rate: FloatArray
    is_contract: BoolArray
    anchor: IntArray
    closes_at: FloatArray
    seen_at: FloatArray
    change_quote: IntArray
    change_at: FloatArray
    change_price: FloatArray
    change_old: FloatArray

    def kept(self, quote: IntArray, price: FloatArray) -> FloatArray:
        """Return the part of net winnings that bets on some quotes pay as a fee, at some prices."""
        fee = self.rate[quote], self.is_lay[quote], self.is_contract[quote]
        return effective_commission(price, *fee)


@dataclass(frozen=True, slots=True)
class BookCloses:
    """The last price of each quote; columns of shape (q,) in the order of the quotes.

    Attributes:
        price: NaN where there is no close.
        at: when it was last seen, or taken off; NaN as above.
        reason: why there is none; empty where there is one.
    """

    price: FloatArray
    at: FloatArray
    reason: list[str]


@dataclass(frozen=True, slots=True)
class FairCloses:
    """The last fair price of outcomes; columns of shape (o,), by outcome.

    Attributes:
        outcome_id: all outcomes with a price within `MAX_AGE_SECONDS` before the start, ascending.
        look: the number of the moment that was valued; −1 where there is no close.
        probability: NaN where there is no close.
        books: bookmakers in the consensus.
        at: the moment that was valued; NaN where there is no close.
        reason: `Reason` codes, `OK` exactly where there is a close.
        returned: the part of a stake that is expected back, as in `valuation.board.FairPrices`.
        anchored: the probability by each of `ANCHORS` alone at that moment, shape (o, anchors);
            NaN where it had no complete line.
    """

    outcome_id: IntArray
    look: IntArray
    probability: FloatArray
    books: IntArray
    at: FloatArray
    reason: IntArray
    returned: FloatArray
    anchored: FloatArray


@dataclass(frozen=True, slots=True)
class Closes:
    """The close of some markets.

    Attributes:
        books: of each quote.
        fair: of each outcome.
        winning: the probability that a bet on each quote wins by the bookmakers of other groups at
            the close of its outcome; NaN where its own group had no price then, or the others were
            too few. Shape (q,).
        other_books: how many those are, (q,).
        stands: whether each quote's group had a price at the close of its outcome, (q,).
    """

    books: BookCloses
    fair: FairCloses
    winning: FloatArray
    other_books: IntArray
    stands: BoolArray


@dataclass(frozen=True, slots=True)
class _Looks:
    """The markets as they stood at some moments; a look is one market at one moment.

    Attributes:
        at: the moment of each look, (looks,); of a market's looks the latest comes first.
        look: the look of each row, (r,).
        quote: the index of its quote, (r,).
        price: its price, (r,).
    """

    at: FloatArray
    look: IntArray
    quote: IntArray
    price: FloatArray


def closes(history: PriceHistory, policy: ValuationPolicy) -> Closes:
    """Rebuild the close of all markets of a history."""
    looks = _looks(history)
    board = _board(history, looks)
    # Each quote is measured by the others, whatever it is worth.
    valued = value(board, replace(policy, min_edge_ev=-1.0))
    fair = _fair_closes(history, looks, board, valued.fair, policy)
    winning, other_books = _by_others(history, looks, board, valued.edges, fair)
    at_close = fair.look[np.searchsorted(fair.outcome_id, board.outcome_id)] == looks.look
    voice = _numbers(history.outcome_id, history.group_id)
    stands = np.isin(voice, voice[looks.quote[at_close]])
    return Closes(_book_closes(history), fair, winning, other_books, stands)


def standing(history: PriceHistory) -> tuple[FloatArray, BoolArray]:
    """Return the price of each quote at the moment of the close, and which ones are too old.

    Returns:
        Decimal odds, NaN where there were none; whether nobody had seen the quote's feed within
        `MAX_AGE_SECONDS`. Shapes (q,).
    """
    price = _at(history.change_price, _last_changes(history, history.closes_at))
    return price, ~(history.closes_at - history.seen_at <= MAX_AGE_SECONDS)


def _book_closes(history: PriceHistory) -> BookCloses:
    last = _last_changes(history, history.closes_at)
    stands = ~np.isnan(history.change_price[last])
    price = np.where(stands, history.change_price[last], history.change_old[last])
    changed_at = history.change_at[last]
    at = np.where(stands, np.fmax(changed_at, history.seen_at), changed_at)
    is_fresh = ~np.isnan(price) & (history.closes_at - at <= MAX_AGE_SECONDS)
    return BookCloses(
        price=np.where(is_fresh, price, np.nan),
        at=np.where(is_fresh, at, np.nan),
        reason=np.where(is_fresh, "", TOO_OLD).tolist(),
    )


def _looks(history: PriceHistory) -> _Looks:
    """Return every market at its start, and just before each time that a price was taken off."""
    moments, market = _moments(history)
    # Every quote of the market at every moment.
    look, quote = _joined(market, history.market_id)
    price = np.full(look.size, np.nan)
    for rank in range(int(_ranks(market).max(initial=-1)) + 1):
        # The n-th look of each market together: one moment for each quote.
        of_rank = _ranks(market) == rank
        at = np.full(history.quote_id.size, -np.inf)
        chosen = of_rank[look]
        at[quote[chosen]] = moments[look[chosen]]
        price[chosen] = _at(history.change_price, _last_changes(history, at))[quote[chosen]]
    stands = ~np.isnan(price)
    return _Looks(moments, look[stands], quote[stands], price[stands])


def _moments(history: PriceHistory) -> tuple[FloatArray, IntArray]:
    """Return the moments to look at and their markets: by market, the latest first."""
    start = history.closes_at[history.change_quote]
    is_off = np.isnan(history.change_price) & (start - history.change_at <= MAX_AGE_SECONDS)
    market = np.concatenate([history.market_id, history.market_id[history.change_quote[is_off]]])
    at = np.concatenate([history.closes_at, history.change_at[is_off]])
    order = np.lexsort((-at, market))
    market, at = market[order], at[order]
    is_other = is_new(market) | is_new(at)
    market, at = market[is_other], at[is_other]
    kept = _ranks(market) < MAX_LOOKS
    return at[kept], market[kept]


def _ranks(market: IntArray) -> IntArray:
    """Return the place of each row among those of its market, which are adjacent.

    >>> _ranks(np.array([7, 7, 9])).tolist()
    [0, 1, 0]
    """
    begins = np.flatnonzero(is_new(market))
    return np.arange(market.size) - np.repeat(begins, np.diff(np.append(begins, market.size)))


def _joined(market: IntArray, market_of_quote: IntArray) -> tuple[IntArray, IntArray]:
    """Return the pairs of a look and a quote of its market."""
    order = np.argsort(market_of_quote, kind="stable")
    ordered = market_of_quote[order]
    begin = np.searchsorted(ordered, market, side="left")
    count = np.searchsorted(ordered, market, side="right") - begin
    look = np.repeat(np.arange(market.size), count)
    place = np.arange(look.size) - np.repeat(np.cumsum(count) - count, count)
    return look, order[np.repeat(begin, count) + place]


def _last_changes(history: PriceHistory, at: FloatArray) -> IntArray:
    """Return the last change of each quote before a moment, −1 where it had none."""
    before = np.flatnonzero(history.change_at < at[history.change_quote])
    last = np.full(history.quote_id.size, -1, dtype=np.int64)
    last[history.change_quote[before]] = before  # of equal indexes, the last one counts
    return last


def _at(column: FloatArray, place: IntArray) -> FloatArray:
    """Return the values at some places, NaN at −1."""
    return np.append(column, np.nan)[place]


def _board(history: PriceHistory, looks: _Looks) -> Board:
    quote = looks.quote
    return Board(
        market_id=looks.look,
        outcome_id=history.outcome_id[quote],
        line=history.line[quote],
        role=history.role[quote],
        bookmaker_id=history.bookmaker_id[quote],
        group_id=history.group_id[quote],
        is_lay=history.is_lay[quote],
        price=looks.price,
        weight=history.weight[quote],
        commission=history.kept(quote, looks.price),
        is_stale=~(history.closes_at - history.seen_at <= MAX_AGE_SECONDS)[quote],
    )


def _fair_closes(
    history: PriceHistory, looks: _Looks, board: Board, fair: FairPrices, policy: ValuationPolicy
) -> FairCloses:
    """Return of each outcome its latest look with a fair price."""
    is_ok = fair.reason == Reason.OK
    # Of each outcome the looks with a fair price first, of these the latest: they are numbered so.
    order = np.lexsort((fair.market_id, ~is_ok, fair.outcome_id))
    chosen = order[is_new(fair.outcome_id[order])]
    look, outcome = np.where(is_ok, fair.market_id, -1)[chosen], fair.outcome_id[chosen]
    return FairCloses(
        outcome_id=outcome,
        look=look,
        probability=fair.probability[chosen],
        books=fair.books[chosen],
        at=_at(looks.at, look),
        reason=fair.reason[chosen].astype(np.int64),
        returned=fair.returned[chosen],
        anchored=_anchored(history, looks, board, policy, (outcome, look)),
    )


def _anchored(
    history: PriceHistory,
    looks: _Looks,
    board: Board,
    policy: ValuationPolicy,
    chosen: tuple[IntArray, IntArray],
) -> FloatArray:
    """Return the probability of outcomes, each at a look of its own, by each anchor alone."""
    outcome_id, look = chosen
    found = np.full((outcome_id.size, len(ANCHORS)), np.nan)
    anchor = history.anchor[looks.quote]
    row = np.flatnonzero(anchor >= 0)
    columns = {each.name: getattr(board, each.name)[row] for each in fields(board)}
    # Each anchor at each look is a market of its own, and the only bookmaker there.
    columns["market_id"] = looks.look[row] * len(ANCHORS) + anchor[row]
    columns["weight"] = np.ones(row.size)
    fair = value(Board(**columns), replace(policy, min_books=1)).fair
    of_look, of_anchor = np.divmod(fair.market_id, len(ANCHORS))
    # Outcomes are in order and each is listed once.
    place = np.searchsorted(outcome_id, fair.outcome_id)
    is_close = look[place] == of_look
    found[place[is_close], of_anchor[is_close]] = fair.probability[is_close]
    return found


def _by_others(
    history: PriceHistory, looks: _Looks, board: Board, edges: Edges, fair: FairCloses
) -> tuple[FloatArray, IntArray]:
    """Return what the others say of each quote at the close of its outcome, and how many they are.

    They say the same of all quotes of a group: of one that is gone as of those that stand.

    Returns:
        `Closes.winning` and `Closes.other_books`.
    """
    winning = np.full(history.quote_id.size, np.nan)
    books = np.zeros(history.quote_id.size, dtype=np.int64)
    place = np.searchsorted(fair.outcome_id, board.outcome_id[edges.row])
    is_close = fair.look[place] == looks.look[edges.row]
    row = edges.row[is_close]
    quote = looks.quote[row]
    odds = bet_odds(board.price[row], board.commission[row], board.is_lay[row])
    at_risk = 1 - np.nan_to_num(edges.returned[is_close])
    bet = _numbers(history.outcome_id, history.group_id, history.is_lay)
    winning[bet[quote]] = (1 + edges.ev[is_close] / at_risk) / odds
    books[bet[quote]] = edges.books[is_close]
    return winning[bet], books[bet]


def _numbers(*columns: IntArray | BoolArray) -> IntArray:
    """Number rows from 0, equal ones alike.

    >>> _numbers(np.array([7, 5, 7]), np.array([1, 1, 1])).tolist()
    [1, 0, 1]
    """
    order = np.lexsort(columns[::-1])
    numbers = np.empty_like(order)
    numbers[order] = number(np.logical_or.reduce([is_new(each[order]) for each in columns]))
    return numbers
