"""The engine: a board of quotes in, fair prices and edges out. docs/valuation.md has the rules.

No loop runs over lines, bookmakers or quotes: lines of equally many outcomes are valued together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from valuation.arrays import BoolArray, FloatArray, IntArray
from valuation.edges import expected_value, kelly, lay_as_back, net_back
from valuation.lines import BookLines, book_lines
from valuation.policy import ValuationPolicy
from valuation.pricing import PricedLines, price_lines
from valuation.quotes import Board, BoardError, Quotes, arrange
from valuation.reasons import REASON_TEXT, Reason

__all__ = [
    "REASON_TEXT",
    "Board",
    "BoardError",
    "Edges",
    "FairPrices",
    "Reason",
    "Valued",
    "value",
]


@dataclass(frozen=True, slots=True)
class FairPrices:
    """One row an outcome of the board, by market, line and outcome; columns of shape (o,).

    Attributes:
        market_id: the outcome's market.
        outcome_id: the outcome.
        probability: strictly between 0 and 1; NaN where there is no fair price. Those of a
            line sum to 1 (under `worst_case` to at most 1).
        books: bookmakers in the consensus of its line, also where they are too few.
        reason: `Reason` codes, `OK` exactly where there is a fair price.
    """

    market_id: IntArray
    outcome_id: IntArray
    probability: FloatArray
    books: IntArray
    reason: npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Edges:
    """Quotes worth taking, by row; columns of shape (e,).

    Attributes:
        row: the quote's row on the board.
        probability: of the quote's outcome, by the consensus of the other bookmakers.
        books: how many those are.
        ev: expected profit net of commission, per unit staked; of a lay quote per unit of
            liability.
        kelly: full Kelly stake, as a fraction of the bankroll; of a lay quote the liability.
        hold: of the bookmaker's back prices on the line.
        is_outlier: the bookmaker's line is an outlier among those that have a weight.
    """

    row: IntArray
    probability: FloatArray
    books: IntArray
    ev: FloatArray
    kelly: FloatArray
    hold: FloatArray
    is_outlier: BoolArray


@dataclass(frozen=True, slots=True)
class Valued:
    """What a board is worth."""

    fair: FairPrices
    edges: Edges


def value(board: Board, policy: ValuationPolicy) -> Valued:
    """Compute the fair prices and the edges of a board.

    Raises:
        BoardError: a bookmaker quotes one side of an outcome twice.

    >>> prices = np.array([1.90, 1.95, 1.91, 1.94, 2.05, 1.90, 1.92, 1.93])
    >>> books = np.repeat([1, 2, 3, 4], 2)
    >>> nothing = np.zeros(8)
    >>> board = Board(
    ...     market_id=np.ones(8, np.int64),
    ...     outcome_id=np.tile([1, 2], 4),
    ...     line=np.full(8, np.nan),
    ...     bookmaker_id=books,
    ...     is_lay=nothing.astype(bool),
    ...     price=prices,
    ...     weight=np.ones(8),
    ...     commission=nothing,
    ...     is_stale=nothing.astype(bool),
    ... )
    >>> valued = value(board, ValuationPolicy())
    >>> valued.fair.probability.round(4).tolist()
    [0.4982, 0.5018]
    >>> valued.edges.row.tolist(), valued.edges.ev.round(4).tolist()
    ([4], [0.0335])
    """
    quotes = arrange(board)
    books = book_lines(quotes)
    sizes = np.unique(books.size[books.is_complete]).tolist()
    priced = [price_lines(quotes, books, size, policy) for size in sizes]
    return Valued(
        fair=_fair_prices(board, quotes, _line_reasons(quotes, books, priced, policy), priced),
        edges=_edges(board, quotes, priced, policy),
    )


def _fair_prices(
    board: Board, quotes: Quotes, line_reasons: IntArray, priced: Sequence[PricedLines]
) -> FairPrices:
    outcomes = quotes.outcome_line.size
    probability = np.full(outcomes, np.nan)
    count = np.zeros(outcomes, dtype=np.int64)
    in_line = np.zeros(outcomes, dtype=np.bool_)
    for lines in priced:
        probability[lines.outcome] = lines.consensus.probability
        count[lines.outcome] = lines.consensus.books[:, np.newaxis]
        in_line[lines.outcome] = True
    reason = np.where(
        in_line, line_reasons[quotes.outcome_line], _reasons_outside(quotes, in_line)
    ).astype(np.int8)
    return FairPrices(
        market_id=board.market_id[quotes.outcome_row],
        outcome_id=board.outcome_id[quotes.outcome_row],
        probability=np.where(reason == Reason.OK, probability, np.nan),
        books=count,
        reason=reason,
    )


def _line_reasons(
    quotes: Quotes, books: BookLines, priced: Sequence[PricedLines], policy: ValuationPolicy
) -> IntArray:
    """For each line the first rule that leaves too few bookmakers, shape (lines,)."""
    left_out = _left_out(quotes, books, priced)
    is_backed = np.zeros(quotes.book_line.size, dtype=np.bool_)
    is_backed[quotes.book[~quotes.is_lay]] = True
    counted = is_backed & (quotes.book_weight > 0)
    # Bookmakers by line and the rule that left them out; none is left out for being too few.
    lines = int(quotes.book_line.max(initial=-1)) + 1
    cell = quotes.book_line[counted] * len(Reason) + left_out[counted]
    table = np.bincount(cell, minlength=lines * len(Reason)).reshape(lines, len(Reason))
    gone = table[:, Reason.TOO_FEW_BOOKS : Reason.OUTLIER + 1].cumsum(axis=1)
    short = table.sum(axis=1, keepdims=True) - gone < _min_books(policy)
    return np.where(short.any(axis=1), Reason.TOO_FEW_BOOKS + short.argmax(axis=1), Reason.OK)


def _left_out(quotes: Quotes, books: BookLines, priced: Sequence[PricedLines]) -> IntArray:
    """Why each book has no part in its line's consensus, `OK` where it has, shape (b,)."""
    reason = np.full(quotes.book_line.size, Reason.STALE, dtype=np.int64)
    reason[books.book] = Reason.INCOMPLETE
    for lines in priced:
        reason[lines.book] = lines.reason
    return reason


def _reasons_outside(quotes: Quotes, in_line: BoolArray) -> IntArray:
    """Why each outcome would have no price if it were not one of its line's, shape (o,)."""
    is_fresh = np.zeros(in_line.size, dtype=np.bool_)
    is_fresh[quotes.outcome[quotes.is_fresh]] = True
    has_outcomes = np.zeros(quotes.outcome_line.max(initial=-1) + 1, dtype=np.bool_)
    has_outcomes[quotes.outcome_line[in_line]] = True
    return np.select(
        [~is_fresh, ~has_outcomes[quotes.outcome_line]],
        [Reason.STALE, Reason.NO_TWO_SIDED_BOOK],
        Reason.INCOMPLETE,
    ).astype(np.int64)


def _edges(
    board: Board, quotes: Quotes, priced: Sequence[PricedLines], policy: ValuationPolicy
) -> Edges:
    probability, complement, books, hold, is_outlier = _by_others(quotes, priced, policy)
    row = np.flatnonzero(books >= _min_books(policy))
    p, price, commission = probability[row], board.price[row], board.commission[row]
    # Laying an outcome is backing its complement.
    is_lay = board.is_lay[row]
    winning = np.where(is_lay, complement[row], p)
    odds = np.where(is_lay, lay_as_back(price, commission), net_back(price, commission))
    ev = expected_value(winning, odds)
    kept = ev >= policy.min_edge_ev
    return Edges(
        row=row[kept],
        probability=p[kept],
        books=books[row[kept]],
        ev=ev[kept],
        kelly=kelly(winning, odds)[kept],
        hold=hold[row[kept]],
        is_outlier=is_outlier[row[kept]],
    )


def _by_others(
    quotes: Quotes, priced: Sequence[PricedLines], policy: ValuationPolicy
) -> tuple[FloatArray, FloatArray, IntArray, FloatArray, BoolArray]:
    """For each row of the board what the other bookmakers say.

    Returns:
        The probability of its outcome, that of its complement, the number of other bookmakers (0
        where the quote's own book has no sound line), its book's hold, and whether that book is an
        outlier.
    """
    probability = np.full(quotes.row.size, np.nan)
    complement = np.full(quotes.row.size, np.nan)
    books = np.zeros(quotes.row.size, dtype=np.int64)
    hold = np.full(quotes.row.size, np.nan)
    is_outlier = np.zeros(quotes.row.size, dtype=np.bool_)
    backs = np.flatnonzero(~np.isnan(quotes.lay))
    back, lay = quotes.row[backs], quotes.row[backs + 1]
    for lines in priced:
        row = quotes.row[lines.quote[lines.is_sound]]
        others = lines.consensus.others[lines.is_sound]
        probability[row] = others
        complement[row] = _complements(others, policy)
        books[row] = lines.consensus.other_books[lines.is_sound, np.newaxis]
        hold[row] = lines.hold[lines.is_sound, np.newaxis]
        is_outlier[row] = lines.is_outlier[lines.is_sound, np.newaxis]
    for column in (probability, complement, books, hold, is_outlier):
        column[lay] = column[back]
    return probability, complement, books, hold, is_outlier


def _complements(probabilities: FloatArray, policy: ValuationPolicy) -> FloatArray:
    """Return the probability that each outcome does not happen, shape (b, n).

    Where each is the lowest there is, 1 − p would be the highest of the complement: the others'
    lowest together are what is certain of it.
    """
    if policy.method != "worst_case":
        return 1 - probabilities
    totals: FloatArray = probabilities.sum(axis=1, keepdims=True)
    return totals - probabilities


def _min_books(policy: ValuationPolicy) -> int:
    """A consensus of nobody is none, whatever the policy says."""
    return max(policy.min_books, 1)
