"""The consensus: many bookmakers' probabilities of one line become one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from valuation.arrays import BoolArray, FloatArray, IntArray, is_new, medians, number
from valuation.groups import Groups
from valuation.policy import ValuationPolicy


@dataclass(frozen=True, slots=True)
class Consensus:
    """The probabilities of b bookmakers together for lines of n outcomes, and of all but each one.

    Attributes:
        probability: shape (lines, n), rows summing to 1 (under `worst_case` to at most 1); NaN
            where no bookmaker takes part.
        books: bookmakers that take part, (lines,); those of one group count once.
        takes_part: which bookmakers do: those with a weight that are no outlier, (b,).
        others: for each bookmaker, the consensus without it and its group, shape (b, n).
        other_books: bookmakers that take part in that, (b,), as in `books`.
    """

    probability: FloatArray
    books: IntArray
    takes_part: BoolArray
    others: FloatArray
    other_books: IntArray


def consensus(
    probabilities: FloatArray,
    weights: FloatArray,
    line: IntArray,
    policy: ValuationPolicy,
    group: IntArray | None = None,
) -> Consensus:
    """Pool bookmakers line by line, outliers left out.

    Bookmakers of one group are one voice: the mean of their log-odds, with the largest of their
    weights. It counts once, is an outlier as a whole, and is left out as a whole from what the
    others say of any of them.

    Outliers are decided once, among all bookmakers of the line: leaving one out of the
    consensus does not bring an outlier back in.

    Args:
        probabilities: strictly between 0 and 1, shape (b, n).
        weights: not negative, shape (b,); only their proportions matter.
        line: which line each bookmaker's row is about; rows of a line adjacent, shape (b,).
        policy: the outlier rule.
        group: which group each bookmaker is of, shape (b,); each of its own if not given.

    >>> books = np.array([[0.50, 0.50], [0.52, 0.48], [0.48, 0.52], [0.90, 0.10]])
    >>> pooled = consensus(books, np.ones(4), np.zeros(4, np.int64), ValuationPolicy())
    >>> pooled.probability.round(4).tolist(), pooled.takes_part.tolist()
    ([[0.5, 0.5]], [True, True, True, False])
    >>> pooled.others.round(2).tolist()
    [[0.5, 0.5], [0.49, 0.51], [0.51, 0.49], [0.5, 0.5]]
    """
    # Lay the lines out as columns of a table, and each bookmaker as a cell in its line's column.
    begins = is_new(line)
    column = number(begins)
    slot = np.arange(line.size) - np.flatnonzero(begins)[column]
    shape = (int(slot.max(initial=-1)) + 1, int(begins.sum()))
    logits = np.zeros((probabilities.shape[1], *shape))
    logits[:, slot, column] = log_odds(probabilities).T
    cell_weights = np.zeros(shape)
    cell_weights[slot, column] = weights

    groups = Groups.of(slot if group is None else group, slot, column, shape[0])
    speaks = cell_weights > 0
    logits, voice = groups.means(logits, speaks), groups.largest(cell_weights)
    agrees = agreeing(logits, voice > 0, policy)
    voice[~agrees] = 0
    in_agreement = groups.spread_flags(agrees)
    others = groups.spread(pool_others(logits, voice, sums_to_1=policy.sums_to_1))
    books = agrees.sum(axis=0)
    return Consensus(
        probability=pool(logits, voice, sums_to_1=policy.sums_to_1).T,
        books=books,
        takes_part=(in_agreement & speaks)[slot, column],
        others=others[:, slot, column].T,
        other_books=books[column] - in_agreement[slot, column],
    )


def log_odds(probabilities: FloatArray) -> FloatArray:
    """Return the logit ln(p / (1 − p)), any shape."""
    return np.log(probabilities / (1 - probabilities))


def pool(logits: FloatArray, weights: FloatArray, *, sums_to_1: bool = True) -> FloatArray:
    """Return the weighted mean of log-odds, as probabilities.

    Args:
        logits: log-odds, finite, shape (n, k, lines): outcomes, bookmakers, lines. Lines with
            fewer bookmakers than k fill up with absent ones, whose weight is 0.
        weights: not negative, shape (k, lines); only their proportions matter.
        sums_to_1: False where what is pooled is no distribution over the outcomes.

    Returns:
        Probabilities, shape (n, lines); NaN for a line without weight.

    Source: Satopää et al. (2014), "Combining multiple probability predictions using a simple
    logit model".

    >>> forecasts = np.array([0.014, 0.0221, 0.0039, 0.0040])
    >>> both = np.array([forecasts, 1 - forecasts])[:, :, np.newaxis]
    >>> pool(log_odds(both), np.ones((4, 1))).round(5).tolist()
    [[0.00836], [0.99164]]
    """
    return pooled_probabilities(
        (logits * weights).sum(axis=1), weights.sum(axis=0), sums_to_1=sums_to_1
    )


def pool_others(logits: FloatArray, weights: FloatArray, *, sums_to_1: bool = True) -> FloatArray:
    """Return, for each bookmaker, what `pool` gives without it.

    Sums of the bookmakers before and after it, instead of the total less its own share, so that
    a heavy bookmaker leaves no rounding error behind.

    Args:
        logits: as in `pool`.
        weights: as in `pool`.
        sums_to_1: as in `pool`.

    Returns:
        Probabilities, shape (n, k, lines); NaN where no other bookmaker has weight.
    """
    others = sum_of_others(logits * weights), sum_of_others(weights)
    return pooled_probabilities(*others, sums_to_1=sums_to_1)


def agreeing(logits: FloatArray, voting: BoolArray, policy: ValuationPolicy) -> BoolArray:
    """Return which voting bookmakers are no outliers.

    A bookmaker is an outlier if for any outcome its log-odds lie further from the median of the
    voting ones than `outlier_mads` median absolute deviations and further than `outlier_floor`.

    Args:
        logits: as in `pool`.
        voting: which of them count, shape (k, lines).
        policy: the outlier rule.

    Returns:
        Shape (k, lines), a subset of `voting`.
    """
    distance = np.abs(logits - medians(logits, voting[np.newaxis], axis=1))
    deviation = medians(distance, voting[np.newaxis], axis=1)
    limit = np.maximum(policy.outlier_mads * deviation, policy.outlier_floor)
    return voting & (distance <= limit).all(axis=0)


def pooled_probabilities(
    weighted_logits: FloatArray, weights: FloatArray, *, sums_to_1: bool
) -> FloatArray:
    """Return the probabilities whose log-odds are weighted means, given sums over bookmakers.

    Args:
        weighted_logits: sums of log-odds times weight, outcomes first, shape (n, …).
        weights: sums of the weights, of a shape that broadcasts; NaN follows from 0.
        sums_to_1: as in `pool`.
    """
    with np.errstate(invalid="ignore"):  # 0/0: no weight, no probability
        p: FloatArray = 1 / (1 + np.exp(-weighted_logits / weights))
    if not sums_to_1:
        return p
    totals: FloatArray = p.sum(axis=0)
    return p / totals


def sum_of_others(values: FloatArray) -> FloatArray:
    """Return sums over the bookmakers' axis (the last but one), each without its own value."""
    others = np.zeros_like(values)
    others[..., 1:, :] = values.cumsum(axis=-2)[..., :-1, :]
    others[..., :-1, :] += values[..., ::-1, :].cumsum(axis=-2)[..., -2::-1, :]
    return others
