"""The standard normal distribution over arrays, to double precision and without SciPy."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from valuation.arrays import FloatArray

# Hart's rational approximation of Φ(−x)·exp(x²/2), highest power first.
_CDF_NUMERATOR: Final = (
    3.52624965998911e-02, 0.700383064443688, 6.37396220353165, 33.912866078383,
    112.079291497871, 221.213596169931, 220.206867912376,
)  # fmt: skip
_CDF_DENOMINATOR: Final = (
    8.83883476483184e-02, 1.75566716318264, 16.064177579207, 86.7807322029461,
    296.564248779674, 637.333633378831, 793.826512519948, 440.413735824752,
)  # fmt: skip
_CDF_RATIONAL_UP_TO: Final = 7.07106781186547

# Wichura's PPND16, highest power first: the centre, the tails, and the far tails.
_CENTRE: Final = (
    (2.509080928730122672e3, 3.343057558358812810e4, 6.726577092700870085e4,
     4.592195393154987145e4, 1.373169376550946112e4, 1.971590950306551442e3,
     1.331416678917843774e2, 3.387132872796366608),
    (5.226495278852854561e3, 2.872908573572194267e4, 3.930789580009271061e4,
     2.121379430158659586e4, 5.394196021424751107e3, 6.871870074920579083e2,
     4.231333070160091125e1, 1.0),
)  # fmt: skip
_TAIL: Final = (
    (7.7454501427834140764e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
     1.27045825245236838258, 3.64784832476320460504, 5.76949722146069140550,
     4.63033784615654529590, 1.42343711074968357734),
    (1.05075007164441684324e-9, 5.475938084995344946e-4, 1.51986665636164571966e-2,
     1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940,
     2.05319162663775882187, 1.0),
)  # fmt: skip
_FAR_TAIL: Final = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3,
     2.65321895265761230930e-2, 2.96560571828504891230e-1, 1.78482653991729133580,
     5.46378491116411436990, 6.65790464350110377720),
    (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5,
     7.86869131145613259100e-4, 1.48753612908506148525e-2, 1.36929880922735805310e-1,
     5.99832206555887937690e-1, 1.0),
)  # fmt: skip


def pdf(x: FloatArray) -> FloatArray:
    """Return the density φ(x), any shape."""
    return np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def cdf(x: FloatArray) -> FloatArray:
    """Return the distribution function Φ(x), any shape, absolute error below 1e-15.

    Source: Hart (1968), algorithm 5666, as given by West (2005), "Better approximations to
    cumulative normal functions".

    >>> cdf(np.array([0.0, 1.959963984540054])).round(12).tolist()
    [0.5, 0.975]
    """
    size = np.abs(x)
    tail = np.where(size < _CDF_RATIONAL_UP_TO, _rational(size), _continued_fraction(size))
    tail *= np.exp(-0.5 * size * size)
    return np.where(x > 0, 1 - tail, tail)


def _rational(size: FloatArray) -> FloatArray:
    near = np.minimum(size, _CDF_RATIONAL_UP_TO)
    return _ratio((_CDF_NUMERATOR, _CDF_DENOMINATOR), near)


def _continued_fraction(size: FloatArray) -> FloatArray:
    fraction = size + 0.65
    for numerator in (4, 3, 2, 1):
        fraction = size + numerator / fraction
    return 1 / (fraction * math.sqrt(2 * math.pi))


def quantile(p: FloatArray) -> FloatArray:
    """Return the inverse Φ⁻¹(p), any shape, 0 < p < 1, relative error about 1e-16.

    Source: Wichura (1988), "Algorithm AS 241: the percentage points of the normal distribution".

    >>> quantile(np.array([0.5, 0.975, 1e-9])).round(9).tolist()
    [0.0, 1.959963985, -5.997807015]
    """
    q = p - 0.5
    x = np.empty_like(p)
    centre = np.abs(q) <= 0.425
    x[centre] = q[centre] * _ratio(_CENTRE, 0.180625 - q[centre] ** 2)
    outside = ~centre
    x[outside] = np.copysign(_tail_quantile(np.minimum(p, 1 - p)[outside]), q[outside])
    return x


def _tail_quantile(p: FloatArray) -> FloatArray:
    r = np.sqrt(-np.log(p))
    return np.where(r <= 5, _ratio(_TAIL, r - 1.6), _ratio(_FAR_TAIL, r - 5))


def _ratio(polynomials: tuple[tuple[float, ...], tuple[float, ...]], x: FloatArray) -> FloatArray:
    numerator, denominator = polynomials
    return np.polyval(numerator, x) / np.polyval(denominator, x)
