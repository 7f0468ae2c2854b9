"""American odds and decimal odds."""

from __future__ import annotations

MIN_AMERICAN = 100
"""American odds run from this outwards: those between −100 and +100 do not exist."""


def to_american(price: float) -> int:
    """Return decimal odds above 1 as American odds.

    >>> to_american(2.5), to_american(1.91), to_american(2.0)
    (150, -110, 100)
    """
    return round(unrounded_american(price))


def from_american(odds: float) -> float:
    """Return American odds as decimal odds: the stake comes back as well.

    >>> from_american(150), round(from_american(-110), 4)
    (2.5, 1.9091)
    """
    return 1.0 + (odds / 100.0 if odds > 0 else 100.0 / -odds)


def unrounded_american(price: float) -> float:
    """Return decimal odds above 1 as American odds, before they are rounded."""
    return (price - 1.0) * 100.0 if price >= 2.0 else -100.0 / (price - 1.0)
