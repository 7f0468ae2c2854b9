"""The valuation engine: a board of quotes in, fair prices and edges out; see docs/valuation.md.

No loop runs over lines, bookmakers or quotes: lines of equally many outcomes are valued together,
large fields apart from the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from valuation.arrays import BoolArray, FloatArray, IntArray, is_new
from valuation.edges import bet_odds, expected_value, kelly
from valuation.fields import price_fields
from valuation.lines import BookLines, book_lines
from valuation.policy import ValuationPolicy
from valuation.pricing import PricedLines, price_lines
from valuation.pushes import PricedOutcomes, returned_parts
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
            line sum to 1 (under `worst_case`, and in a large field some of whose runners have no
            fair price, to at most 1).
        books: bookmakers in its consensus, also where they are too few.
        reason: `Reason` codes, `OK` exactly where there is a fair price.
        returned: the part of a stake that is expected back as a push, as in `Edges`.
    """

    market_id: IntArray
    outcome_id: IntArray
    probability: FloatArray
    books: IntArray
    reason: npt.NDArray[np.int8]
    returned: FloatArray


@dataclass(frozen=True, slots=True)
class Edges:
    """Quotes worth taking, by row; columns of shape (e,).

    Attributes:
        row: the quote's row on the board.
        probability: of the quote's outcome, by the consensus of the other bookmakers.
        books: how many those are.
        ev: expected profit net of commission, per unit staked; of a lay quote per unit of
            liability. Where `returned` is not known, per unit that is not returned.
        kelly: full Kelly stake, as a fraction of the bankroll; of a lay quote the liability.
        hold: of the bookmaker's back prices on the line.
        returned: the part of the stake that is expected back as a push, 0 where the line has none;
            NaN where it has and the part is not known.
        is_outlier: the bookmaker's line, or in a large field this price of it, is an outlier among
            those that have a weight.
    """

    row: IntArray
    probability: FloatArray
    books: IntArray
    ev: FloatArray
    kelly: FloatArray
    hold: FloatArray
    returned: FloatArray
    is_outlier: BoolArray


@dataclass(frozen=True, slots=True)
class Valued:
    """The fair prices and edges of a board."""

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
    books = book_lines(quotes, policy.needed_books)
    sizes = np.unique(books.size[books.is_complete]).tolist()
    priced = [price_lines(quotes, books, size, policy) for size in sizes]
    priced += price_fields(quotes, books, policy)
    fair = _fair_prices(board, quotes, _line_reasons(quotes, books, priced, policy), priced)
    return Valued(fair, _edges(board, quotes, priced, _returned(quotes, fair), policy))


def _fair_prices(
    board: Board, quotes: Quotes, line_reasons: IntArray, priced: Sequence[PricedLines]
) -> FairPrices:
    outcomes = quotes.outcome_line.size
    probability = np.full(outcomes, np.nan)
    count = np.zeros(outcomes, dtype=np.int64)
    own_reason = np.full(outcomes, Reason.OK, dtype=np.int64)
    in_line = np.zeros(outcomes, dtype=np.bool_)
    for lines in priced:
        probability[lines.outcome] = lines.probability
        count[lines.outcome] = lines.outcome_books
        own_reason[lines.outcome] = lines.outcome_reason
        in_line[lines.outcome] = True
    line_reason = line_reasons[quotes.outcome_line]
    reason = np.select(
        [~in_line, line_reason != Reason.OK],
        [_reasons_outside(quotes, in_line), line_reason],
        own_reason,
    ).astype(np.int8)
    market_id = board.market_id[quotes.outcome_row]
    probability = np.where(reason == Reason.OK, probability, np.nan)
    return FairPrices(
        market_id=market_id,
        outcome_id=board.outcome_id[quotes.outcome_row],
        probability=probability,
        books=count,
        reason=reason,
        returned=returned_parts(
            PricedOutcomes(
                market_id=market_id,
                line_number=quotes.outcome_line,
                point=board.line[quotes.outcome_row],
                role=board.role[quotes.outcome_row],
                probability=probability,
            )
        ),
    )


def _line_reasons(
    quotes: Quotes, books: BookLines, priced: Sequence[PricedLines], policy: ValuationPolicy
) -> IntArray:
    """Return, for each line, the first rule that leaves too few bookmakers, shape (lines,)."""
    left_out = _left_out(quotes, books, priced)
    is_backed = np.zeros(quotes.book_line.size, dtype=np.bool_)
    is_backed[quotes.book[~quotes.is_lay]] = True
    counted = is_backed & (quotes.book_weight > 0)
    # Count groups by line and the rule that left the last of a group's bookmakers out; no book is
    # out for being too few.
    lines = int(quotes.book_line.max(initial=-1)) + 1
    line, group, why = quotes.book_line[counted], quotes.book_group[counted], left_out[counted]
    order = np.lexsort((-np.where(why == Reason.OK, len(Reason), why), group, line))
    last = order[is_new(line[order]) | is_new(group[order])]
    cell = line[last] * len(Reason) + why[last]
    table = np.bincount(cell, minlength=lines * len(Reason)).reshape(lines, len(Reason))
    gone = table[:, Reason.TOO_FEW_BOOKS : Reason.OUTLIER + 1].cumsum(axis=1)
    short = table.sum(axis=1, keepdims=True) - gone < policy.needed_books
    return np.where(short.any(axis=1), Reason.TOO_FEW_BOOKS + short.argmax(axis=1), Reason.OK)


def _left_out(quotes: Quotes, books: BookLines, priced: Sequence[PricedLines]) -> IntArray:
    """Return why each book has no part in its line's consensus, `OK` where it has, shape (b,)."""
    reason = np.full(quotes.book_line.size, Reason.STALE, dtype=np.int64)
    reason[books.book] = Reason.INCOMPLETE
    for lines in priced:
        reason[lines.book] = lines.reason
    return reason


def _reasons_outside(quotes: Quotes, in_line: BoolArray) -> IntArray:
    """Return why each outcome has no price, if it is not one of its line's, shape (o,)."""
    is_fresh = np.zeros(in_line.size, dtype=np.bool_)
    is_fresh[quotes.outcome[quotes.is_fresh]] = True
    has_outcomes = np.zeros(quotes.outcome_line.max(initial=-1) + 1, dtype=np.bool_)
    has_outcomes[quotes.outcome_line[in_line]] = True
    return np.select(
        [~is_fresh, ~has_outcomes[quotes.outcome_line]],
        [Reason.STALE, Reason.NO_TWO_SIDED_BOOK],
        Reason.INCOMPLETE,
    ).astype(np.int64)


def _returned(quotes: Quotes, fair: FairPrices) -> FloatArray:
    """Return the part of a stake on each row that is expected back as a push, shape (q,)."""
    parts = np.empty(quotes.row.size)
    parts[quotes.row] = fair.returned[quotes.outcome]
    return parts


def _edges(
    board: Board,
    quotes: Quotes,
    priced: Sequence[PricedLines],
    returned: FloatArray,
    policy: ValuationPolicy,
) -> Edges:
    probability, complement, books, hold, is_outlier = _by_others(quotes, priced)
    row = np.flatnonzero(books >= policy.needed_books)
    p, price, commission = probability[row], board.price[row], board.commission[row]
    # Laying an outcome is backing its complement.
    is_lay = board.is_lay[row]
    winning = np.where(is_lay, complement[row], p)
    odds = bet_odds(price, commission, is_lay)
    ev = expected_value(winning, odds) * (1 - np.nan_to_num(returned[row]))
    kept = ev >= policy.min_edge_ev
    return Edges(
        row=row[kept],
        probability=p[kept],
        books=books[row[kept]],
        ev=ev[kept],
        kelly=kelly(winning, odds)[kept],
        hold=hold[row[kept]],
        returned=returned[row[kept]],
        is_outlier=is_outlier[row[kept]],
    )


def _by_others(
    quotes: Quotes, priced: Sequence[PricedLines]
) -> tuple[FloatArray, FloatArray, IntArray, FloatArray, BoolArray]:
    """Return what the other bookmakers say about each row of the board.

    Returns:
        The probability of its outcome, that of its complement, the number of other bookmakers (0
        where the quote's own book has no sound line), its book's hold, and whether its price is an
        outlier's.
    """
    probability = np.full(quotes.row.size, np.nan)
    complement = np.full(quotes.row.size, np.nan)
    books = np.zeros(quotes.row.size, dtype=np.int64)
    hold = np.full(quotes.row.size, np.nan)
    is_outlier = np.zeros(quotes.row.size, dtype=np.bool_)
    backs = np.flatnonzero(~np.isnan(quotes.lay))
    back, lay = quotes.row[backs], quotes.row[backs + 1]
    for lines in priced:
        measured = lines.measured
        row = quotes.row[measured.quote]
        probability[row] = measured.probability
        complement[row] = measured.complement
        books[row] = measured.books
        hold[row] = measured.hold
        is_outlier[row] = measured.is_outlier
    for column in (probability, complement, books, hold, is_outlier):
        column[lay] = column[back]
    return probability, complement, books, hold, is_outlier
