"""Percentages in sentences."""

from __future__ import annotations


def percent(fraction: float, digits: int = 0) -> str:
    """Return a fraction as a percentage.

    >>> percent(0.374), percent(0.5238, 2)
    ('37 %', '52.38 %')
    """
    return f"{fraction:.{digits}%}".replace("%", " %")
