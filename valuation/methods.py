"""The de-vig methods, one function each, over markets of equally many outcomes.

Every function takes decimal odds of shape (n, m), outcomes first so that sums over a market's
outcomes run over whole rows of memory, and returns the probabilities (n, m) and the method's
own parameter (m,). In the formulas r = 1/d, B = Σr and n is the number of outcomes.

Every root lies between the parameters that would give the lowest and the highest of a market's
prices the probability 1/n: all n probabilities decrease in the parameter, so at the lower end
none is below 1/n, and at the upper end none above.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from valuation import normal
from valuation.arrays import FloatArray
from valuation.policy import Method
from valuation.roots import solve

Solution: TypeAlias = tuple[FloatArray, FloatArray]


def multiplicative(odds: FloatArray) -> Solution:
    """Return each rᵢ/B; the parameter is B. Ignores the favourite–longshot bias."""
    implied = 1 / odds
    booksum = implied.sum(axis=0)
    return implied / booksum, booksum


def additive(odds: FloatArray) -> Solution:
    """Return each rᵢ − (B − 1)/n; the parameter is (B − 1)/n. Can go negative.

    Source: Clarke, Kovalchik & Ingram (2017); also known as differential margin weighting.
    """
    implied = 1 / odds
    share = (implied.sum(axis=0) - 1) / len(odds)
    return implied - share, share


def power(odds: FloatArray) -> Solution:
    """Return each rᵢᵏ; the parameter is k.

    Source: Clarke, Kovalchik & Ingram (2017), "Adjusting bookmaker's odds to allow for overround".
    """
    logs = -np.log(odds)
    even = -np.log(len(odds))
    start = np.ones_like(odds[0])
    k, p = solve(_power, logs, even / logs.min(axis=0), even / logs.max(axis=0), start)
    return p, k


def _power(k: FloatArray, logs: FloatArray) -> tuple[FloatArray, FloatArray]:
    p = np.exp(k * logs)
    return p, p * logs


def shin(odds: FloatArray) -> Solution:
    """Return each [√(z² + 4(1 − z) rᵢ²/B) − z] / [2(1 − z)]; the parameter is z.

    z is the share of insiders' money that explains the margin; an underround gives z < 0. Two
    outcomes have a closed form whose probabilities are the additive ones.

    Source: Shin (1993), "Measuring the incidence of insider trading in a market for
    state-contingent claims"; Jullien & Salanié (1994).
    """
    implied = 1 / odds
    booksum = implied.sum(axis=0)
    n = len(odds)
    if n == 2:
        squared_gap = (implied[0] - implied[1]) ** 2
        z = (booksum - 1) * (squared_gap - booksum) / (booksum * (squared_gap - 1))
        return additive(odds)[0], z
    q = implied**2 / booksum
    # A probability p solves (1 − z)p² + zp = q, hence z = (q − p²)/(p − p²); here with p = 1/n.
    low = (n * n * q.min(axis=0) - 1) / (n - 1)
    high = np.minimum((n * n * q.max(axis=0) - 1) / (n - 1), 1)
    root = np.sqrt(booksum)
    z, p = solve(_shin, q, low, high, 2 * (root - 1) / (n - root))  # Newton's first step from 0
    return p, z


def _shin(z: FloatArray, q: FloatArray) -> tuple[FloatArray, FloatArray]:
    # The root of the quadratic in the form that subtracts no two nearly equal numbers.
    discriminant = np.sqrt(z * z + 4 * (1 - z) * q)
    s = discriminant + np.abs(z)
    p = np.where(z < 0, s / (2 * (1 - z)), 2 * q / s)
    return p, -p * (1 - p) / discriminant


def odds_ratio(odds: FloatArray) -> Solution:
    """Return each r/(c + r − cr), i.e. the odds against multiplied by c; the parameter is c.

    Source: Cheung (2015), "Fixed-odds betting and traditional odds"; the "logarithmic" method
    of some packages.
    """
    against = odds - 1
    even = np.log(len(odds) - 1)
    low, high = even - np.log(against.max(axis=0)), even - np.log(against.min(axis=0))
    log_c, p = solve(_odds_ratio, against, low, high, np.zeros_like(odds[0]))
    return p, np.exp(log_c)


def _odds_ratio(log_c: FloatArray, against: FloatArray) -> tuple[FloatArray, FloatArray]:
    p = 1 / (1 + np.exp(log_c) * against)
    return p, -p * (1 - p)


def goto(odds: FloatArray) -> Solution:
    """Return each rᵢ − s√(1 − rᵢ) with s = (B − 1)/Σ√(1 − rᵢ), the parameter. Can go negative.

    The margin is taken in proportion to each price's standard error over its price.

    Source: Goto (2023), the goto_conversion package.
    """
    implied = 1 / odds
    weights = np.sqrt(1 - implied)
    s = (implied.sum(axis=0) - 1) / weights.sum(axis=0)
    return implied - s * weights, s


def probit(odds: FloatArray) -> Solution:
    """Return each Φ(Φ⁻¹(rᵢ) − c); the parameter is c."""
    quantiles = normal.quantile(1 / odds)
    even = normal.quantile(np.array(1 / len(odds)))
    low, high = quantiles.min(axis=0) - even, quantiles.max(axis=0) - even
    c, p = solve(_probit, quantiles, low, high, np.zeros_like(odds[0]))
    return p, c


def _probit(c: FloatArray, quantiles: FloatArray) -> tuple[FloatArray, FloatArray]:
    x = quantiles - c
    return normal.cdf(x), -normal.pdf(x)


def worst_case(odds: FloatArray) -> Solution:
    """Return, per outcome, the lowest probability any other method gives; no parameter (NaN).

    The sum over a market is at most 1.
    """
    lowest = np.min([method(odds)[0] for method in _SINGLE], axis=0)
    return lowest, np.full_like(odds[0], np.nan)


_SINGLE = (multiplicative, additive, power, shin, odds_ratio, goto, probit)

METHODS: Mapping[Method, Callable[[FloatArray], Solution]] = MappingProxyType(
    {
        "multiplicative": multiplicative,
        "additive": additive,
        "power": power,
        "shin": shin,
        "odds_ratio": odds_ratio,
        "goto": goto,
        "probit": probit,
        "worst_case": worst_case,
    }
)
