"""Samples: early prices, closing prices and grades of bets, as columns that a backtest plays on.

Recorded files and the stored history are both laid out as this, so that one engine plays both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from valuation.arrays import BoolArray, FloatArray, IntArray
from valuation.board import Board
from valuation.edges import effective_commission


@dataclass(frozen=True, slots=True)
class Bookmakers:
    """The bookmakers of a history, in alphabetical order; columns of shape (b,).

    Attributes:
        keys: their keys.
        group: the same number for those that share one price.
        rate: of the fee; NaN where it is not known.
        is_contract: whether that is a fee on contracts.
        is_venue: whether bets are placed there, unless a policy says otherwise.
    """

    keys: tuple[str, ...]
    group: IntArray
    rate: FloatArray
    is_contract: BoolArray
    is_venue: BoolArray


@dataclass(frozen=True)
class Sample:
    """The quotes of some events before their start and at it.

    Columns of outcomes have the shape (o,), line after line; those of quotes (q,).

    Attributes:
        bookmakers: who quotes.
        events: how many events there are.
        periods: the names of the seasons or months that they are in.
        event: the place of each outcome's event, in the order of time, from 0.
        market: the market of each outcome.
        line_number: its line, ascending from 0.
        point: the point of its line, NaN where the market has none; as `Board.line`.
        role: its `covering.Role`.
        back: the part of a stake on it that came back as a push; NaN where it has no grade.
        paid: the part that was paid at the odds; NaN where it has no grade.
        outcome: the place of each quote's outcome.
        bookmaker: the place of its bookmaker.
        is_lay: whether the price is for laying the outcome.
        weight: the bookmaker's own weight in the consensus on this market.
        early: decimal odds some time before the start, NaN where nobody had seen any then.
        close: the last odds before the start, NaN where there are none.
    """

    bookmakers: Bookmakers
    events: int
    periods: tuple[str, ...]
    event: IntArray
    market: IntArray
    line_number: IntArray
    point: FloatArray
    role: IntArray
    back: FloatArray
    paid: FloatArray
    outcome: IntArray
    bookmaker: IntArray
    is_lay: BoolArray
    weight: FloatArray
    early: FloatArray
    close: FloatArray

    @cached_property
    def graded(self) -> int:
        """The number of events with an outcome that has a grade."""
        return np.unique(self.event[np.isfinite(self.paid)]).size

    def kept(self, quote: IntArray, price: FloatArray) -> FloatArray:
        """Return the part of net winnings that bets on some quotes pay as a fee, at some prices."""
        book = self.bookmaker[quote]
        of = self.bookmakers
        return effective_commission(price, of.rate[book], self.is_lay[quote], of.is_contract[book])

    def board(
        self,
        quote: IntArray,
        price: FloatArray,
        *,
        weight: FloatArray,
        group: IntArray,
        commission: FloatArray,
    ) -> Board:
        """Return the board of some quotes.

        Args:
            quote: their places, shape (k,).
            price: decimal odds of each, (k,).
            weight: in the consensus, (k,).
            group: of each bookmaker, (b,).
            commission: of each, (k,).
        """
        outcome, book = self.outcome[quote], self.bookmaker[quote]
        return Board(
            market_id=self.market[outcome],
            outcome_id=outcome,
            line=self.point[outcome],
            role=self.role[outcome],
            bookmaker_id=book,
            group_id=group[book],
            is_lay=self.is_lay[quote],
            price=price,
            weight=weight,
            commission=commission,
            is_stale=np.zeros(quote.size, dtype=np.bool_),
        )
