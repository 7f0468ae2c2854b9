"""Least squares with weights that are not negative and sum to 1."""

from __future__ import annotations

import numpy as np

from valuation.arrays import BoolArray, FloatArray

_TOLERANCE = 1e-12


def simplex_least_squares(
    predictors: FloatArray, target: FloatArray, min_weight: float = 0.0
) -> FloatArray:
    """Return the weights w that minimise ‖X·w − y‖², with Σw = 1 and each w ≥ `min_weight`.

    An active-set method: solve with the weights that are free, step towards the solution until a
    weight reaches its bound, hold it there, and free a held one whose gradient says that more of it
    lowers the error. Where columns are the same, one of the best answers.

    Args:
        predictors: X, shape (rows, k).
        target: y, shape (rows,).
        min_weight: the bound, below 1/k.

    Source: Lawson & Hanson (1974), "Solving least squares problems", chapter 23; with the sum as
    an equality, Nocedal & Wright (2006), algorithm 16.3.

    >>> x = np.array([[1.0, 3.0], [2.0, 0.0], [4.0, 5.0]])
    >>> simplex_least_squares(x, x @ [0.3, 0.7]).round(6).tolist()
    [0.3, 0.7]
    >>> simplex_least_squares(x, x @ [1.5, -0.5]).tolist()
    [1.0, 0.0]
    """
    size = predictors.shape[1]
    if not 0 <= min_weight * size < 1:
        raise ValueError(f"{size} weights of at least {min_weight} do not sum to 1")
    square = predictors.T @ predictors / len(predictors)
    linear = predictors.T @ target / len(predictors)
    scale = max(float(np.abs(square).max()), 1e-300)
    weights = np.full(size, 1 / size)
    is_free = np.ones(size, dtype=np.bool_)
    for _ in range(50 * size):
        step = _solution(square, linear, weights, is_free) - weights
        if np.abs(step).max() > _TOLERANCE:
            weights, is_free = _step(weights, step, is_free, min_weight)
            continue
        gradient = square @ weights - linear
        # At the optimum of the free ones, each has the same gradient: the multiplier of Σw = 1.
        multiplier = gradient[is_free].mean()
        gain = np.where(is_free, 0.0, multiplier - gradient)
        if gain.max() <= _TOLERANCE * scale:
            break
        is_free[gain.argmax()] = True
    return weights


def _solution(
    square: FloatArray, linear: FloatArray, weights: FloatArray, is_free: BoolArray
) -> FloatArray:
    """Return the best weights with the others as they are: the KKT system of the free ones."""
    free = np.flatnonzero(is_free)
    held = np.where(is_free, 0.0, weights)
    system = np.zeros((free.size + 1, free.size + 1))
    system[:-1, :-1] = square[np.ix_(free, free)]
    system[:-1, -1] = system[-1, :-1] = 1.0
    right = np.append((linear - square @ held)[free], 1 - held.sum())
    solution = held.copy()
    # The least change among equals, for columns that are the same.
    now = np.append(weights[free], 0.0)
    change = np.linalg.lstsq(system, right - system @ now, rcond=1e-12)[0]
    solution[free] = (now + change)[:-1]
    return solution


def _step(
    weights: FloatArray, step: FloatArray, is_free: BoolArray, bound: float
) -> tuple[FloatArray, BoolArray]:
    """Go as far as the bounds allow; the first weight to reach its own is held there."""
    falls = np.flatnonzero(is_free & (step < 0) & (weights + step < bound))
    if not falls.size:
        return weights + step, is_free
    lengths = (bound - weights[falls]) / step[falls]
    first = falls[lengths.argmin()]
    moved = weights + lengths.min() * step
    moved[first] = bound
    is_free = is_free.copy()
    is_free[first] = False
    return np.maximum(moved, bound), is_free
