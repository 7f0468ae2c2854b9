"""The valuation of whole arrays of prices, by the rules that Hardline values by."""

from __future__ import annotations

import numpy as np

from valuation.arrays import FloatArray
from valuation.board import Board, value
from valuation.policy import ValuationPolicy


def value_boards(prices: FloatArray, policy: ValuationPolicy) -> FloatArray:
    """Return the fair prices of markets; NaN where there is none.

    Args:
        prices: decimal odds, shape (markets, books, outcomes).
        policy: the rules.

    >>> prices = np.array([[[1.9, 1.95], [1.91, 1.94], [1.92, 1.93]]])
    >>> value_boards(prices, ValuationPolicy()).round(4).tolist()
    [[0.5041, 0.4959]]
    """
    markets, _, outcomes = prices.shape
    market, book, outcome = (axis.ravel() for axis in np.indices(prices.shape))
    nothing = np.zeros(prices.size)
    board = Board(
        market_id=market + 1,
        outcome_id=market * outcomes + outcome + 1,
        line=np.full(prices.size, np.nan),
        bookmaker_id=book + 1,
        is_lay=nothing.astype(bool),
        price=prices.ravel(),
        weight=np.ones(prices.size),
        commission=nothing,
        is_stale=nothing.astype(bool),
    )
    fair = value(board, policy).fair
    probabilities = np.full(markets * outcomes, np.nan)
    probabilities[fair.outcome_id - 1] = fair.probability
    return probabilities.reshape(markets, outcomes)
