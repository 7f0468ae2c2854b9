"""How many three-way markets a second each method solves on one thread.

Run with ``pytest tests/benchmarks/test_devig_benchmark.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from valuation.arrays import FloatArray
from valuation.devig import devig
from valuation.methods import METHODS
from valuation.policy import Method

MARKETS = 100_000
LEAST_PER_SECOND = {"shin": 400_000, "power": 1_000_000, "odds_ratio": 1_000_000}


@pytest.fixture(scope="module")
def odds() -> FloatArray:
    rng = np.random.default_rng(20260)
    probabilities = rng.dirichlet([3.0, 3.0, 3.0], MARKETS).clip(0.005, 0.98)
    margins = rng.uniform(1.01, 1.12, (MARKETS, 1))
    return np.maximum(1 / (probabilities * margins), 1.001)


@pytest.mark.parametrize("method", list(METHODS))
def test_a_hundred_thousand_three_way_markets(
    benchmark: Any, odds: FloatArray, method: Method
) -> None:
    devigged = benchmark.pedantic(devig, (odds, method), rounds=9, warmup_rounds=1)
    if method != "worst_case":
        assert np.abs(devigged.probabilities.sum(axis=1) - 1).max() < 1e-12
    per_second = MARKETS / benchmark.stats.stats.min
    benchmark.extra_info["markets_per_second"] = round(per_second)
    assert per_second >= LEAST_PER_SECOND.get(method, 0)
