"""The consensus of a market in plain Python, by the rules of `valuation` for two outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log

_TOLERANCE = 1e-14
_MOST_STEPS = 60


def fair_prices(lines: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the fair prices of two outcomes from each bookmaker's two prices.

    Each bookmaker's margin is removed by the power method, and their log-odds are averaged. No
    bookmaker of a benchmark is an outlier.

    >>> [round(p, 4) for p in fair_prices([(1.9, 1.95), (1.91, 1.94), (1.92, 1.93)])]
    [0.5041, 0.4959]
    """
    logits = [_logit(_power(*line)) for line in lines]
    odds = exp(sum(logits) / len(logits))
    return odds / (1 + odds), 1 / (1 + odds)


def _power(first: float, second: float) -> float:
    """Return the first outcome's probability r₁ᵏ, where r₁ᵏ + r₂ᵏ = 1, by Newton's method."""
    one, other, k = -log(first), -log(second), 1.0
    for _ in range(_MOST_STEPS):
        p, q = exp(k * one), exp(k * other)
        excess = p + q - 1
        if abs(excess) < _TOLERANCE:
            break
        k -= excess / (p * one + q * other)
    return p


def _logit(p: float) -> float:
    return log(p / (1 - p))
