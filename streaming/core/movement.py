"""How far a line moved, and whether that is a major move."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MovementPolicy:
    """Thresholds of a major move; reaching any one is enough.

    Attributes:
        major_price_move: relative price change, as a fraction of the old price; strictly above.
        major_probability_move: change of the implied probability 1/price, at or above.
        major_point_move: change of the point, at or above.
    """

    major_price_move: float = 0.05
    major_probability_move: float = 0.03
    major_point_move: float = 1.0


TOLERANCE = 1e-9
"""So that a move of exactly a threshold is one, whatever the last bit of a quotient says."""


def price_movement(old_price: float, new_price: float) -> float:
    """The relative price change, |new − old| / old.

    >>> price_movement(2.0, 2.1).__round__(6)
    0.05
    """
    return abs(new_price - old_price) / old_price


def is_major(
    policy: MovementPolicy,
    *,
    old_price: float,
    new_price: float,
    old_point: float | None = None,
    new_point: float | None = None,
) -> bool:
    """Whether a reprice or a point move is major. Suspensions and resumptions always are.

    This is the rule `streaming.ingest.sql` states in SQL; a property test holds the two together.

    >>> policy = MovementPolicy()
    >>> is_major(policy, old_price=2.0, new_price=2.1)
    False
    >>> is_major(policy, old_price=2.0, new_price=2.12)
    True
    >>> is_major(policy, old_price=1.2, new_price=1.25)  # 4.2 %, but 3.3 points of probability
    True
    >>> is_major(policy, old_price=1.9, new_price=1.9, old_point=-3.5, new_point=-4.5)
    True
    """
    point_move = 0.0 if old_point is None or new_point is None else abs(new_point - old_point)
    return (
        point_move >= policy.major_point_move
        or price_movement(old_price, new_price) > policy.major_price_move + TOLERANCE
        or abs(1 / new_price - 1 / old_price) >= policy.major_probability_move - TOLERANCE
    )
