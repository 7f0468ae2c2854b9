"""The formats in which odds are written: decimal, American and fractional."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal, get_args

from streaming.core.american import to_american

OddsFormat = Literal["decimal", "american", "fractional"]

ODDS_FORMATS: tuple[str, ...] = get_args(OddsFormat)

MAX_DENOMINATOR = 20
"""Fractional odds are rounded to one of these denominators; odds below 1/20 to 1/n."""


def written(price: float, style: OddsFormat) -> str:
    """Return decimal odds above 1 in a format.

    >>> written(1.909, "decimal"), written(2.5, "decimal")
    ('1.909', '2.50')
    >>> written(2.5, "american"), written(1.5, "american"), written(2.0, "american")
    ('+150', '-200', '+100')
    >>> written(2.5, "fractional"), written(1.909, "fractional"), written(1.01, "fractional")
    ('3/2', '10/11', '1/100')
    """
    if style == "decimal":
        return f"{price:.3f}".removesuffix("0")
    if style == "american":
        return f"{to_american(price):+d}"
    won = price - 1
    if won < 1 / MAX_DENOMINATOR:
        return f"1/{round(1 / won)}"
    part = Fraction(won).limit_denominator(MAX_DENOMINATOR)
    return f"{part.numerator}/{part.denominator}"
