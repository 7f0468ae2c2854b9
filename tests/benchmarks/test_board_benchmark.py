"""How long the engine takes for a board, without reading or writing it.

Run with ``pytest tests/benchmarks/test_board_benchmark.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from valuation.board import Board, Reason, value
from valuation.policy import ValuationPolicy

BOOKS, OUTCOMES = 10, 2


def board_of(markets: int) -> Board:
    """A two-way board in random order: ten books with noise of 0.03 in log-odds and 5 % margin."""
    rng = np.random.default_rng(20260)
    home = rng.uniform(-2, 2, (markets, 1)) + rng.normal(0, 0.03, (markets, BOOKS))
    logits = np.stack([home, -home], axis=-1)
    shape, quotes = logits.shape, logits.size
    market, book, outcome = np.indices(shape)
    order = rng.permutation(quotes)
    return Board(
        market_id=market.ravel()[order],
        outcome_id=(market * OUTCOMES + outcome).ravel()[order],
        line=np.full(quotes, np.nan),
        bookmaker_id=book.ravel()[order],
        is_lay=np.zeros(quotes, dtype=np.bool_),
        price=((1 + np.exp(-logits)) / 1.05).clip(1.001).ravel()[order],
        weight=np.ones(quotes),
        commission=np.zeros(quotes),
        is_stale=np.zeros(quotes, dtype=np.bool_),
    )


@pytest.mark.parametrize(("markets", "most_ms"), [(1, 5), (500, 30), (5000, 150)])
def test_two_way_markets_of_ten_books(benchmark: Any, markets: int, most_ms: int) -> None:
    board = board_of(markets)
    valued = benchmark.pedantic(value, (board, ValuationPolicy()), rounds=15, warmup_rounds=1)
    assert (valued.fair.reason == Reason.OK).all()
    assert benchmark.stats.stats.min * 1000 <= most_ms
