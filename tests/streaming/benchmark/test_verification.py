"""Contenders have to do the work: last prices always, fair prices where that is promised."""

from __future__ import annotations

import numpy as np
import pytest

from streaming.benchmark.contenders.base import Outcome
from streaming.benchmark.contenders.values import value_boards
from streaming.benchmark.contenders.verification import verify
from streaming.benchmark.waiting import BenchmarkError
from streaming.benchmark.workload import opening_prices
from valuation.arrays import FloatArray
from valuation.policy import ValuationPolicy

POLICY = ValuationPolicy()
PRICES = opening_prices(3, seed=1)
VALUES = value_boards(PRICES, POLICY)


def outcome(prices: FloatArray = PRICES, values: FloatArray = VALUES) -> Outcome:
    return Outcome(prices, values, np.zeros(len(prices)))


@pytest.mark.parametrize("name", ["naive", "batched", "hardline", "floor"])
def test_a_price_that_is_not_the_last_one_is_refused_of_everyone(name: str) -> None:
    other = PRICES.copy()
    other[2, 9, 1] += 0.0001
    with pytest.raises(BenchmarkError, match=f"{name} ended in other prices"):
        verify(name, outcome(prices=other), PRICES, POLICY)


@pytest.mark.parametrize("wrong", [0.5, np.nan])
def test_a_wrong_or_missing_fair_price_is_refused_or_counted(wrong: float) -> None:
    values = VALUES.copy()
    values[1, 0] = wrong
    assert verify("naive", outcome(values=values), PRICES, POLICY) == 1
    with pytest.raises(BenchmarkError, match="hardline ended with 1 wrong fair prices"):
        verify("hardline", outcome(values=values), PRICES, POLICY)


def test_rounding_is_no_difference() -> None:
    assert verify("hardline", outcome(values=VALUES + 1e-12), PRICES, POLICY) == 0
