"""The part of a stake that lines with a whole or a quarter point are expected to return.

Where a result hits a whole point, both bets on the line return the stake (a push). A bet at a
quarter point is half at the whole point beside it and half at the half point, so that the same
result returns half the stake. Prices without margin say nothing about it: they are those of win
against loss, given that the stake is not returned. How often a result hits a whole point is
estimated from the half points on either side of it: P(over 2.5) − P(over 3.5) = P(exactly 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from valuation.arrays import BoolArray, FloatArray, IntArray
from valuation.covering import Role

#: Points are compared as whole numbers, in quarters.
_QUARTERS = 4


@dataclass(frozen=True, slots=True)
class PricedOutcomes:
    """Outcomes with their fair prices; columns of shape (o,).

    Attributes:
        market_id: the outcome's market.
        line_number: its line's number, from 0.
        point: the line, as the home side or the over sees it; NaN where there is none.
        role: a `Role`.
        probability: given that the stake is not returned; NaN where there is no fair price.
    """

    market_id: IntArray
    line_number: IntArray
    point: FloatArray
    role: IntArray
    probability: FloatArray


def returned_parts(outcomes: PricedOutcomes) -> FloatArray:
    """Return the expected part of the stake that comes back, for each outcome.

    It is 0 for lines that cannot return one: without a point, with a half point, or with three
    outcomes, of which one is the tie. It is NaN where a line can and the half points beside it have
    no fair price, or prices that contradict each other.

    >>> goals = PricedOutcomes(
    ...     market_id=np.ones(6, np.int64),
    ...     line_number=np.array([0, 0, 1, 1, 2, 2]),
    ...     point=np.array([2.5, 2.5, 2.75, 2.75, 3.5, 3.5]),
    ...     role=np.tile([Role.OVER, Role.UNDER], 3),
    ...     probability=np.array([0.55, 0.45, 0.48, 0.52, 0.33, 0.67]),
    ... )
    >>> returned_parts(goals).round(3).tolist()
    [0.0, 0.0, 0.11, 0.11, 0.0, 0.0]
    """
    quarters = np.rint(np.nan_to_num(outcomes.point) * _QUARTERS).astype(np.int64)
    is_priced = ~np.isnan(outcomes.probability)
    of_two = np.bincount(outcomes.line_number[is_priced], minlength=outcomes.line_number.size) == 2
    has_point = ~np.isnan(outcomes.point) & of_two[outcomes.line_number] & is_priced
    is_half = has_point & (quarters % _QUARTERS == 2)
    can_return = has_point & ~is_half
    if not can_return.any():
        return np.zeros(outcomes.point.size)

    # 2.25 and 1.75 both return half a stake at 2.
    whole = np.floor(quarters / _QUARTERS + 0.5).astype(np.int64) * _QUARTERS
    part = np.where(quarters % _QUARTERS == 0, 1.0, 0.5)
    hit = np.full(outcomes.point.size, np.nan)
    for role, falls in ((Role.OVER, 1.0), (Role.HOME, -1.0)):
        at = _Table.of(outcomes, quarters, is_half & (outcomes.role == role))
        lower, higher = (at.probability(outcomes.market_id, whole + step) for step in (-2, 2))
        difference = falls * (lower - higher)
        hit = np.where(difference > 0, difference, hit)
    return np.where(can_return, part * hit, 0.0)


@dataclass(frozen=True, slots=True)
class _Table:
    """Probabilities by market and point, in order."""

    key: IntArray
    value: FloatArray
    markets: IntArray
    span: int

    @classmethod
    def of(cls, outcomes: PricedOutcomes, quarters: IntArray, wanted: BoolArray) -> _Table:
        markets = np.unique(outcomes.market_id)
        # Room for points beside the outermost, so that keys of two markets never meet.
        span = 2 * int(np.abs(quarters).max(initial=0)) + 4 * _QUARTERS
        place = np.searchsorted(markets, outcomes.market_id[wanted])
        key = place * span + quarters[wanted]
        order = np.argsort(key)
        return cls(key[order], outcomes.probability[wanted][order], markets, span)

    def probability(self, market_id: IntArray, quarters: IntArray) -> FloatArray:
        """Return what each market has at a point, NaN where it has nothing."""
        key = np.searchsorted(self.markets, market_id) * self.span + quarters
        found = np.full(key.size, np.nan)
        if self.key.size:
            at = np.minimum(np.searchsorted(self.key, key), self.key.size - 1)
            found = np.where(self.key[at] == key, self.value[at], np.nan)
        return found
