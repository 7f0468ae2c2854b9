"""Small lines of equally many outcomes: each bookmaker's prices, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from valuation.arrays import BoolArray, FloatArray, IntArray, is_new
from valuation.consensus import consensus
from valuation.devig import devig
from valuation.edges import hold
from valuation.lines import BookLines
from valuation.policy import ValuationPolicy
from valuation.quotes import Quotes
from valuation.reasons import Reason


@dataclass(frozen=True, slots=True)
class Measured:
    """Back quotes with what the other bookmakers say; columns of shape (k,).

    Attributes:
        quote: its index in `Quotes`.
        probability: of its outcome, by the consensus of the others.
        complement: the probability that the outcome does not happen.
        books: the number of the other bookmakers.
        hold: of the back prices of its bookmaker on the line.
        is_outlier: its bookmaker has a weight and has no say in this outcome, because it disagrees.
    """

    quote: IntArray
    probability: FloatArray
    complement: FloatArray
    books: IntArray
    hold: FloatArray
    is_outlier: BoolArray


@dataclass(frozen=True, slots=True)
class PricedLines:
    """Lines that were valued together.

    Attributes:
        book: the books' indexes in `Quotes`, shape (b,).
        reason: why a book has no part in the consensus, `OK` where it has, (b,).
        outcome: indexes of the lines' outcomes in `Quotes`, (o,).
        probability: of each outcome, by the consensus, (o,).
        outcome_books: bookmakers in that, (o,).
        outcome_reason: why an outcome has no fair price where its line has, `OK` or why, (o,).
        measured: the quotes of the books whose prices could be valued.
    """

    book: IntArray
    reason: IntArray
    outcome: IntArray
    probability: FloatArray
    outcome_books: IntArray
    outcome_reason: IntArray
    measured: Measured


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
    weight = quotes.book_weight[book]
    pooled = consensus(
        np.where(is_sound[:, np.newaxis], probabilities, 0.5),  # any: it has no weight
        np.where(is_sound, weight, 0),
        line,
        policy,
        quotes.book_group[book],
    )
    outcome = quotes.outcome[quote[is_new(line)]].ravel()
    others = pooled.others[is_sound]
    return PricedLines(
        book=book,
        reason=reasons(in_range, is_sound, pooled.takes_part),
        outcome=outcome,
        probability=pooled.probability.ravel(),
        outcome_books=np.repeat(pooled.books, size),
        outcome_reason=np.full(outcome.size, Reason.OK, dtype=np.int64),
        measured=Measured(
            quote=quote[is_sound].ravel(),
            probability=others.ravel(),
            complement=complements(others, policy, axis=1).ravel(),
            books=np.repeat(pooled.other_books[is_sound], size),
            hold=np.repeat(hold((1 / back).sum(axis=1))[is_sound], size),
            is_outlier=np.repeat((~pooled.takes_part & (weight > 0))[is_sound], size),
        ),
    )


def complements(probabilities: FloatArray, policy: ValuationPolicy, axis: int) -> FloatArray:
    """Return the probability that each outcome does not happen, of the same shape.

    Where each probability is the lowest of several, 1 − p would be the highest of the complement:
    the sum of the other outcomes' lowest is the part of it that is certain.

    Args:
        probabilities: of whole lines.
        policy: says whether they are each the lowest.
        axis: along which the outcomes of a line lie.
    """
    if policy.method != "worst_case":
        return 1 - probabilities
    totals: FloatArray = probabilities.sum(axis=axis, keepdims=True)
    return totals - probabilities


def consensus_prices(back: FloatArray, lay: FloatArray, max_width: float) -> FloatArray:
    """Return the prices that stand for a bookmaker in the consensus, shape (b, n).

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


def reasons(in_range: BoolArray, is_sound: BoolArray, takes_part: BoolArray) -> IntArray:
    """Return the first rule that leaves each bookmaker out of the consensus, `OK` if none does."""
    return np.select(
        [~in_range, ~is_sound, ~takes_part],
        [Reason.BOOKSUM_OUT_OF_RANGE, Reason.NO_PROBABILITY, Reason.OUTLIER],
        Reason.OK,
    ).astype(np.int64)
