"""De-vigging: removing the bookmaker's margin from prices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from valuation.arrays import BoolArray, FloatArray
from valuation.methods import METHODS
from valuation.policy import Method


class PriceError(ValueError):
    """Odds that cannot be a market: of a wrong shape, or with a price that is no number above 1."""


@dataclass(frozen=True, slots=True)
class Devigged:
    """The probabilities of markets, without the bookmaker's margin.

    Attributes:
        probabilities: shape (m, n); rows sum to 1 within 1e-12 (under `worst_case`, to at most 1).
        booksum: B = Σ 1/d, shape (m,).
        parameter: the parameter that the method solved for, shape (m,): B (multiplicative), the
            margin per outcome (additive), k (power), z (shin), c (odds_ratio, probit), s (goto);
            NaN for worst_case.
        negative: rows with a probability at or below zero, which additive and goto can give and
            worst_case then repeats, shape (m,).
    """

    probabilities: FloatArray
    booksum: FloatArray
    parameter: FloatArray
    negative: BoolArray


def devig(odds: npt.ArrayLike, method: Method = "power") -> Devigged:
    """Turn bookmakers' odds into probabilities.

    The caller judges whether a booksum is plausible: see
    `valuation.policy.ValuationPolicy`.

    Args:
        odds: decimal odds, shape (m, n), n >= 2, each above 1; one market of exclusive and
            exhaustive outcomes a row.
        method: how the margin is taken to be spread over the outcomes; docs/valuation.md.

    Raises:
        PriceError: the odds have another shape, or a price is not finite or not above 1.
        ValueError: there is no such method.

    >>> devig([[2.7, 2.3, 4.4]]).probabilities.round(7).tolist()
    [[0.3591711, 0.4237308, 0.2170981]]
    >>> devig([[2.6, 2.4, 4.3]], "shin").parameter.round(8).tolist()
    [0.01694251]
    """
    prices = checked(odds)
    if method not in METHODS:
        raise ValueError(f"no de-vig method {method!r}; there are {', '.join(METHODS)}")
    by_outcome = np.ascontiguousarray(prices.T)
    by_outcome_probabilities, parameter = METHODS[method](by_outcome)
    return Devigged(
        probabilities=np.ascontiguousarray(by_outcome_probabilities.T),
        booksum=(1 / by_outcome).sum(axis=0),
        parameter=parameter,
        negative=np.any(by_outcome_probabilities <= 0, axis=0),
    )


def checked(odds: npt.ArrayLike) -> FloatArray:
    """Return the odds as an array of shape (m, n).

    Raises:
        PriceError: the odds have another shape, or a price is not finite or not above 1.
    """
    try:
        prices = np.asarray(odds, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PriceError(f"odds are not a table of numbers: {error}") from error
    if prices.ndim != 2 or prices.shape[1] < 2:
        raise PriceError(f"odds have shape {prices.shape}; (markets, two outcomes or more) needed")
    sound = np.isfinite(prices) & (prices > 1)
    if not sound.all():
        market, outcome = np.argwhere(~sound)[0].tolist()
        price = float(prices[market, outcome])
        raise PriceError(f"price {price} of market {market}, outcome {outcome} is not above 1")
    return prices
