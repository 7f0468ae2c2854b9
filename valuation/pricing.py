"""The lines of equally many outcomes: each bookmaker's prices, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from valuation.arrays import BoolArray, FloatArray, IntArray, is_new
from valuation.consensus import Consensus, consensus
from valuation.devig import devig
from valuation.edges import hold
from valuation.lines import BookLines
from valuation.policy import ValuationPolicy
from valuation.quotes import Quotes
from valuation.reasons import Reason


@dataclass(frozen=True, slots=True)
class PricedLines:
    """The lines of n outcomes, and the books that quote all of them.

    Attributes:
        book: the books' indexes in `Quotes`, shape (b,).
        quote: indexes of their back quotes in `Quotes`, shape (b, n).
        reason: why a book has no part in the consensus, `OK` where it has, (b,).
        is_sound: whether its prices could be valued at all, (b,).
        is_outlier: it has a weight, and is left out because it disagrees, (b,).
        hold: of its back prices, (b,).
        outcome: indexes of the lines' outcomes in `Quotes`, shape (lines, n).
        consensus: of these books on these lines.
    """

    book: IntArray
    quote: IntArray
    reason: IntArray
    is_sound: BoolArray
    is_outlier: BoolArray
    hold: FloatArray
    outcome: IntArray
    consensus: Consensus


def price_lines(
    quotes: Quotes, books: BookLines, size: int, policy: ValuationPolicy
) -> PricedLines:
    """Value the lines of `size` outcomes."""
    member = np.flatnonzero(books.is_complete & (books.size == size))
    book = books.book[member]
    line = quotes.book_line[book]
    quote = books.quote[books.first[member, np.newaxis] + np.arange(size)]
    back = quotes.price[quote]
    prices = consensus_prices(back, quotes.lay[quote], policy.max_exchange_width)

    booksum = (1 / prices).sum(axis=1)
    in_range = (booksum >= policy.min_booksum) & (booksum <= policy.max_booksum)
    probabilities = devig(prices, policy.method).probabilities
    is_sound = in_range & np.all((probabilities > 0) & (probabilities < 1), axis=1)
    pooled = consensus(
        np.where(is_sound[:, np.newaxis], probabilities, 0.5),  # any: it has no weight
        np.where(is_sound, quotes.book_weight[book], 0),
        line,
        policy,
    )
    return PricedLines(
        book=book,
        quote=quote,
        reason=_reasons(in_range, is_sound, pooled.takes_part),
        is_sound=is_sound,
        is_outlier=is_sound & ~pooled.takes_part & (quotes.book_weight[book] > 0),
        hold=hold((1 / back).sum(axis=1)),
        outcome=quotes.outcome[quote[is_new(line)]],
        consensus=pooled,
    )


def consensus_prices(back: FloatArray, lay: FloatArray, max_width: float) -> FloatArray:
    """The prices that stand for a bookmaker in the consensus, shape (b, n).

    An exchange whose back and lay prices are close on every outcome stands with their midpoint
    in log-odds. The log-odds of 1/d are −ln(d − 1), so that is 1 + √((back − 1)(lay − 1)).
    Otherwise the back prices stand, as a sportsbook's do.

    Args:
        back: decimal back odds, shape (b, n).
        lay: decimal lay odds, NaN where there are none, shape (b, n).
        max_width: the widest gap in log-odds that is close.

    >>> back, lay = np.array([[1.96, 1.96]]), np.array([[2.04, 2.04]])
    >>> consensus_prices(back, lay, 0.35).round(4).tolist()
    [[1.9992, 1.9992]]
    >>> consensus_prices(back, lay, 0.05).tolist()
    [[1.96, 1.96]]
    """
    width = np.abs(np.log(lay - 1) - np.log(back - 1))
    is_close = (width <= max_width).all(axis=1, keepdims=True)
    return np.where(is_close, 1 + np.sqrt((back - 1) * (lay - 1)), back)


def _reasons(in_range: BoolArray, is_sound: BoolArray, takes_part: BoolArray) -> IntArray:
    return np.select(
        [~in_range, ~is_sound, ~takes_part],
        [Reason.BOOKSUM_OUT_OF_RANGE, Reason.NO_PROBABILITY, Reason.OUTLIER],
        Reason.OK,
    ).astype(np.int64)
