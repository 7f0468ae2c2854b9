"""One root per market, for many markets at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np

from valuation.arrays import FloatArray

Curve: TypeAlias = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]
"""Probabilities as functions of one parameter in which each of them decreases.

From the parameters (m,) and what the method knows of each outcome (n, m) to the probabilities
(n, m) and their derivatives (n, m) by the parameter.
"""

TOLERANCE: Final = 1e-13
_RESOLUTION: Final = 4 * float(np.finfo(np.float64).eps)


def solve(
    curve: Curve, terms: FloatArray, low: FloatArray, high: FloatArray, start: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Find the parameter at which each market's probabilities sum to 1.

    Newton's method on ln Σp, which is nearly linear where the probabilities are small. It is kept
    in a bracket that shrinks with every evaluation, and the bracket is halved instead when a step
    would leave it or when the last one did not halve the error; so it always ends. A market
    that is solved takes no further part, and no market's result depends on another's.

    Args:
        curve: the probabilities of the method.
        terms: what the curve needs to know of each outcome, shape (n, m).
        low: a parameter at which the sum is at least 1, shape (m,).
        high: a parameter at which the sum is at most 1, shape (m,).
        start: the first guess, shape (m,).

    Returns:
        The parameters (m,) and the probabilities (n, m), which sum to 1 within rounding; NaN
        where prices are too extreme for double precision.

    >>> def powers(k, logs):
    ...     p = np.exp(k * logs)
    ...     return p, p * logs
    >>> logs = np.log([[1 / 2.1], [1 / 2.1]])
    >>> k, p = solve(powers, logs, np.zeros(1), np.full(1, 9.0), np.ones(1))
    >>> k.round(5).tolist(), p.ravel().tolist()
    ([0.93424], [0.5, 0.5])
    """
    parameters = np.empty_like(start)
    probabilities = np.empty_like(terms)
    unsolved = np.arange(start.size)
    x = np.clip(start, low, high)
    last_error = np.full_like(start, np.inf)
    while unsolved.size:
        with np.errstate(all="ignore"):  # where a step fails, the bracket is halved
            p, derivative = curve(x, terms)
            total = p.sum(axis=0)
            signed = np.log(total)
            newton = x - signed * total / derivative.sum(axis=0)
        error = np.abs(signed)
        low, high = np.where(signed > 0, x, low), np.where(signed < 0, x, high)
        # Also where the curve has no value at all: nothing will give it one.
        solved = ~(error > TOLERANCE) | (high - low <= _RESOLUTION * np.abs(x))
        if solved.any():
            parameters[unsolved[solved]] = x[solved]
            probabilities[:, unsolved[solved]] = p[:, solved] / total[solved]
        useful = (newton > low) & (newton < high) & (error <= last_error / 2)
        x = np.where(useful, newton, (low + high) / 2)
        last_error = error
        if solved.any():
            unsolved, x, last_error, low, high = (
                column[~solved] for column in (unsolved, x, last_error, low, high)
            )
            terms = terms[:, ~solved]
    return parameters, probabilities
