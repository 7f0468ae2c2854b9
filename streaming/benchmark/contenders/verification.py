"""The verification that a contender has done the work."""

from __future__ import annotations

import numpy as np

from streaming.benchmark.compare import FAIR_PRICE_TOLERANCE
from streaming.benchmark.contenders.base import Outcome
from streaming.benchmark.contenders.values import value_boards
from streaming.benchmark.waiting import BenchmarkError
from streaming.benchmark.workload import digest
from valuation.arrays import FloatArray
from valuation.policy import ValuationPolicy

EXACT = frozenset({"hardline", "floor"})
"""The contenders that must end in the right fair prices; of the others the wrong ones are counted.

Two messages about one market may each miss the other's price, and nothing sees to it.
"""


def verify(name: str, outcome: Outcome, prices: FloatArray, policy: ValuationPolicy) -> int:
    """Return how many fair prices of a contender are not those of the last prices.

    Args:
        name: the contender.
        outcome: its state.
        prices: the last prices, computed from the changes alone.
        policy: the valuation rules.

    Raises:
        BenchmarkError: its prices are others, or fair prices that have to be right are not.
    """
    found, wanted = digest(outcome.prices), digest(prices)
    if found != wanted:
        raise BenchmarkError(f"{name} ended in other prices: {found} instead of {wanted}.")
    expected = value_boards(prices, policy)
    # NaN, no fair price, is not near anything.
    is_right = np.abs(outcome.probabilities - expected) <= FAIR_PRICE_TOLERANCE
    wrong = int(np.count_nonzero(~is_right))
    if wrong and name in EXACT:
        raise BenchmarkError(f"{name} ended with {wrong} wrong fair prices.")
    return wrong
