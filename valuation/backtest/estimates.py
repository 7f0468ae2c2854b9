"""Means with their errors, where bets on one match are no independent trials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from valuation.arrays import FloatArray, IntArray
from valuation.clusters import clustered_error

RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """The mean of some values, None of no values.

    Attributes:
        count: of values.
        mean: their mean.
        standard_error: of the mean, with the values of a match as one cluster; None with fewer than
            two matches.
        above_zero: the share of values above 0.
    """

    count: int
    mean: float | None
    standard_error: float | None
    above_zero: float | None


def estimate(values: FloatArray, match: IntArray) -> Estimate:
    """Return the mean of values, those that are NaN left out.

    Args:
        values: shape (k,).
        match: the match of each.

    >>> estimate(np.array([0.5, 0.5, -1.0, np.nan]), np.array([7, 7, 8, 9]))
    Estimate(count=3, mean=0.0, standard_error=0.6666666666666666, above_zero=0.6666666666666666)
    """
    is_known = np.isfinite(values)
    values, match = values[is_known], match[is_known]
    if not values.size:
        return Estimate(0, None, None, None)
    _, place = np.unique(match, return_inverse=True)
    sums, sizes = np.bincount(place, weights=values), np.bincount(place)
    products = float(sums @ sums), float(sums @ sizes), float(sizes @ sizes)
    error = clustered_error(values.size, sums.size, float(sums.sum()), products)
    mean = float(values.mean())
    return Estimate(values.size, mean, error, float((values > 0).mean()))


@dataclass(frozen=True, slots=True)
class Gain:
    """The mean of one policy's values less that of another's.

    Attributes:
        mean: the difference.
        low: the lower end of its 95 % interval.
        high: the upper end.
    """

    mean: float
    low: float
    high: float


def gain(
    values: tuple[FloatArray, IntArray], base: tuple[FloatArray, IntArray], matches: int, seed: int
) -> Gain | None:
    """Return a difference of two means, with its interval by drawing matches again and again.

    The same matches are drawn for both, which have most of their bets on the same ones.

    Args:
        values: values, and the match of each, from 0 to `matches` − 1.
        base: those that are subtracted.
        matches: how many there are.
        seed: of the draws.

    Returns:
        None if either has no value.
    """
    sides = [_by_match(*side, matches) for side in (values, base)]
    if any(count.sum() == 0 for _, count in sides):
        return None
    rng = np.random.default_rng(seed)
    drawn = np.empty(RESAMPLES)
    for at in range(RESAMPLES):
        times = np.bincount(rng.integers(0, matches, matches), minlength=matches)
        drawn[at] = _difference(sides, times)
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Gain(_difference(sides, np.ones(matches)), float(low), float(high))


def _by_match(values: FloatArray, match: IntArray, matches: int) -> tuple[FloatArray, FloatArray]:
    is_known = np.isfinite(values)
    match = match[is_known]
    sums = np.bincount(match, weights=values[is_known], minlength=matches)
    return sums.astype(np.float64), np.bincount(match, minlength=matches).astype(np.float64)


def _difference(sides: list[tuple[FloatArray, FloatArray]], times: FloatArray | IntArray) -> float:
    with np.errstate(invalid="ignore"):  # a draw without a bet has no mean
        first, second = (np.dot(sums, times) / np.dot(count, times) for sums, count in sides)
    return float(first - second)
