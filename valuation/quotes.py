"""Quotes as columns: the board as it comes, and the order in which it is valued."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

from valuation.arrays import BoolArray, FloatArray, IntArray, is_new, number


class BoardError(ValueError):
    """Columns that cannot be a board of quotes."""


@dataclass(frozen=True, slots=True)
class Board:
    """Quotes to value together, one a row, in any order; columns of shape (q,).

    Attributes:
        market_id: whose prices are exclusive of each other, line by line.
        outcome_id: what is bet on; an outcome belongs to one line of one market.
        line: the point as the home side or the over sees it, so that −3.5 and +3.5 are one line;
            NaN where the market has no point.
        bookmaker_id: who quotes.
        is_lay: whether the price is for laying the outcome instead of backing it.
        price: decimal odds, above 1, before commission.
        weight: the bookmaker's weight in the consensus; at 0 it has no part in it, and its edges
            are measured all the same.
        commission: the part of net winnings the bookmaker keeps at this price, in [0, 1)
            (`valuation.edges.effective_commission`); NaN where that is not known or the
            bookmaker is no venue, so that its prices inform the consensus and are no edge.
        is_stale: quotes too old to trust; they only help to say why there is no fair price.
        role: the outcome's `covering.Role`, by which pushes are estimated; all `NONE` if not given.
        group_id: the same for bookmakers that share one price, which are one voice in the
            consensus; each is of its own if not given.

    Raises:
        BoardError: columns differ in length, or a value is out of its range.
    """

    market_id: IntArray
    outcome_id: IntArray
    line: FloatArray
    bookmaker_id: IntArray
    is_lay: BoolArray
    price: FloatArray
    weight: FloatArray
    commission: FloatArray
    is_stale: BoolArray
    role: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    group_id: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def __post_init__(self) -> None:
        if not self.role.size:
            object.__setattr__(self, "role", np.zeros(self.price.size, dtype=np.int64))
        if not self.group_id.size:
            object.__setattr__(self, "group_id", self.bookmaker_id)
        shapes = {each.name: getattr(self, each.name).shape for each in fields(self)}
        if any(shape != (self.price.size,) for shape in shapes.values()):
            raise BoardError(f"columns must be flat and equally long: {shapes}")
        for name, sound in (
            ("line", ~np.isinf(self.line)),
            ("price", np.isfinite(self.price) & (self.price > 1)),
            ("weight", np.isfinite(self.weight) & (self.weight >= 0)),
            ("commission", ~((self.commission < 0) | (self.commission >= 1))),
        ):
            if not sound.all():
                row = int(np.argmin(sound))
                raise BoardError(f"{name} {getattr(self, name)[row]} of row {row} is out of range")


@dataclass(frozen=True, slots=True)
class Quotes:
    """A board's quotes sorted by market, line, bookmaker, outcome and side.

    Computing in this order makes results equal to the last bit for any order of the board. A lay
    quote directly follows the back quote of its bookmaker and outcome.

    Indexes number the distinct keys from 0, in ascending order: lines by market and point,
    bookmakers' lines ("books") by line and bookmaker, outcomes by line and id.

    Attributes:
        row: the quote's row on the board, shape (q,).
        outcome: index of its outcome, (q,).
        book: index of its bookmaker's line, (q,).
        is_lay: as on the board, (q,).
        is_fresh: not stale, (q,).
        price: as on the board, (q,).
        lay: the bookmaker's fresh lay price of the same outcome, NaN where there is none, (q,).
        book_line: the line of each book, (b,).
        book_weight: the weight of each book, (b,).
        book_group: the group of each book's bookmaker, (b,).
        outcome_line: the line of each outcome, (o,).
        outcome_row: a row of the board with this outcome, (o,).
    """

    row: IntArray
    outcome: IntArray
    book: IntArray
    is_lay: BoolArray
    is_fresh: BoolArray
    price: FloatArray
    lay: FloatArray
    book_line: IntArray
    book_weight: FloatArray
    book_group: IntArray
    outcome_line: IntArray
    outcome_row: IntArray


def arrange(board: Board) -> Quotes:
    """Sort and index the quotes of a board.

    Raises:
        BoardError: a bookmaker quotes one side of an outcome twice.
    """
    point = np.where(np.isnan(board.line), np.inf, board.line)  # unlike NaN, equal to itself
    keys = (board.market_id, point, board.bookmaker_id, board.outcome_id, board.is_lay)
    row = np.lexsort(keys[::-1])
    market, point, bookmaker, outcome_id, is_lay = (key[row] for key in keys)
    new_line = is_new(market) | is_new(point)
    new_book = new_line | is_new(bookmaker)
    new_pair = new_book | is_new(outcome_id)
    _refuse_duplicates(board, row, new_pair | is_new(is_lay))

    line = number(new_line)
    by_outcome = np.lexsort((outcome_id, line))
    new_outcome = is_new(line[by_outcome]) | is_new(outcome_id[by_outcome])
    outcome = np.empty_like(line)
    outcome[by_outcome] = number(new_outcome)

    price, is_fresh = board.price[row], ~board.is_stale[row]
    lay = np.full_like(price, np.nan)
    lay[:-1] = np.where(~new_pair[1:] & is_fresh[1:], price[1:], np.nan)
    return Quotes(
        row=row,
        outcome=outcome,
        book=number(new_book),
        is_lay=board.is_lay[row],
        is_fresh=is_fresh,
        price=price,
        lay=lay,
        book_line=line[new_book],
        book_weight=board.weight[row[new_book]],
        book_group=board.group_id[row[new_book]],
        outcome_line=line[by_outcome[new_outcome]],
        outcome_row=row[by_outcome[new_outcome]],
    )


def _refuse_duplicates(board: Board, row: IntArray, distinct: BoolArray) -> None:
    if not distinct.all():
        twice = int(row[np.argmin(distinct)])
        raise BoardError(
            f"bookmaker {board.bookmaker_id[twice]} quotes one side of outcome "
            f"{board.outcome_id[twice]} twice"
        )
