"""The maths of large fields: slips, and prices for the runners that a bookmaker does not list.

Tables have the shape (n, k, lines): the n runners, the bookmakers, the lines of n runners. Lines of
fewer bookmakers than k fill up with ones that list nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from valuation.arrays import BoolArray, FloatArray, medians
from valuation.groups import Groups
from valuation.policy import ValuationPolicy

SLIP_FLOORS = 4.0
"""A price must be this many `outlier_floor`s off to be a slip: before the margin is out, they
differ by more than opinions."""


@dataclass(frozen=True, slots=True)
class Completed:
    """Bookmakers' prices of whole fields.

    Attributes:
        implied: 1/price of every runner, the unlisted filled in, shape (n, k, lines).
        own: which of them are the bookmaker's own price, and no slip, (n, k, lines).
        coverage: the part of the field that those are, between 0 and 1, (k, lines).
        booksum: of all of them, (k, lines).
    """

    implied: FloatArray
    own: BoolArray
    coverage: FloatArray
    booksum: FloatArray


def completed(
    prices: FloatArray, voting: BoolArray, policy: ValuationPolicy, groups: Groups | None = None
) -> Completed:
    """Fill in what each bookmaker leaves out: the median price, at the bookmaker's own level.

    Args:
        prices: decimal odds, shape (n, k, lines), NaN where a runner is not listed; every runner
            is listed by a bookmaker that votes.
        voting: which bookmakers have a weight, shape (k, lines).
        policy: the outlier rule.
        groups: those that share one price, and count once in medians; none if not given.

    >>> prices = np.array([[2.0, 2.0, 2.0], [4.0, 4.0, 4.0], [5.0, 5.0, np.nan]])[:, :, np.newaxis]
    >>> whole = completed(prices, np.ones((3, 1), bool), ValuationPolicy())
    >>> (1 / whole.implied[:, 2, 0]).round(4).tolist(), whole.coverage[:, 0].round(4).tolist()
    ([2.0, 4.0, 5.0], [1.0, 1.0, 0.7895])
    """
    listed = ~np.isnan(prices)
    logits = np.where(listed, -np.log(prices - 1), 0.0)
    groups = groups or Groups.apart(*voting.shape)
    speaks = listed & voting
    centre = medians(groups.means(logits, speaks), groups.speaking(speaks), axis=1)
    own = listed & ~_slips(logits - centre, listed, voting, policy, groups)
    typical = 1 / (1 + np.exp(-centre))
    implied = 1 / np.where(listed, prices, np.inf)
    listed_typical = np.where(own, typical, 0.0).sum(axis=0)
    level = np.divide(
        np.where(own, implied, 0.0).sum(axis=0),
        listed_typical,
        out=np.zeros_like(listed_typical),
        where=listed_typical > 0,
    )
    filled = np.where(own, implied, typical * level)
    return Completed(
        implied=filled,
        own=own,
        coverage=listed_typical / typical.sum(axis=0),
        booksum=filled.sum(axis=0),
    )


def _slips(
    distance: FloatArray,
    listed: BoolArray,
    voting: BoolArray,
    policy: ValuationPolicy,
    groups: Groups,
) -> BoolArray:
    """Return which prices are so far off that no margin explains it.

    Args:
        distance: from the median, in log-odds; a bookmaker's own median distance is its level.
        listed: which prices there are, shape (n, k, lines).
        voting: as in `completed`.
        policy: the outlier rule.
        groups: as in `completed`.
    """
    off_level = np.abs(distance - medians(distance, listed, axis=0))
    speaks = listed & voting
    deviation = medians(groups.means(off_level, speaks), groups.speaking(speaks), axis=1)
    limit = np.maximum(policy.outlier_mads * deviation, SLIP_FLOORS * policy.outlier_floor)
    return listed & (off_level > limit)


def outliers(logits: FloatArray, voting: BoolArray, policy: ValuationPolicy) -> BoolArray:
    """Return which prices lie too far from the median of their runner, by the rule of `agreeing`.

    Args:
        logits: log-odds without the margin, shape (n, k, lines).
        voting: which of them count, of the same shape.
        policy: the outlier rule.
    """
    distance = np.abs(logits - medians(logits, voting, axis=1))
    deviation = medians(distance, voting, axis=1)
    limit = np.maximum(policy.outlier_mads * deviation, policy.outlier_floor)
    return voting & (distance > limit)
