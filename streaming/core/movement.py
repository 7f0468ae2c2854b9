"""The rule of what a major move is: its thresholds, and the condition that the ingest asks.

The rule acts in the database, on all changes of an answer at once, so it is stated in SQL, and here
alone. Everything later, from the queue `major` to the API, reads the `classification` that it has
given. A second account of it stands in tests/streaming/ingest/test_ingest.py, and a property test
holds the two together; docs/architecture.md says it in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta as Setting


@dataclass(frozen=True, slots=True)
class MovementPolicy:
    """Thresholds of a major move; reaching any one is enough.

    Attributes:
        major_price_move: relative price change, as a fraction of the old price; strictly above.
        major_probability_move: change of the implied probability 1/price, at or above.
        major_point_move: change of the point, at or above.
    """

    major_price_move: Annotated[float, Setting(ge=0, le=10, extra={"live": True})] = 0.05
    major_probability_move: Annotated[float, Setting(ge=0, le=1, extra={"live": True})] = 0.03
    major_point_move: Annotated[float, Setting(ge=0, le=1_000, extra={"live": True})] = 1.0


IS_MAJOR = """
    kind IN ('suspended', 'resumed')
    OR abs(new_point - old_point) >= %(major_point_move)s
    OR abs(new_price - old_price) / old_price > %(major_price_move)s
    OR abs(1 / new_price - 1 / old_price) >= %(major_probability_move)s
"""
"""The condition, on a change's `kind` and its old and new prices and points; NULL counts as no.

`suspended` and `resumed` have the last price as their old one, `opened` has none. A clause that
excludes needs `IS NOT TRUE`, as in ``(old_price < 1.05) IS NOT TRUE``, or it excludes `opened` too.
"""

_TOLERANCE = 1e-9
"""Slack for rounding, so that a move of exactly a threshold is judged as exactly that."""


def parameters(policy: MovementPolicy) -> dict[str, object]:
    """Return the parameters of `IS_MAJOR`.

    >>> sorted(parameters(MovementPolicy()))
    ['major_point_move', 'major_price_move', 'major_probability_move']
    """
    return {
        "major_price_move": policy.major_price_move + _TOLERANCE,
        "major_probability_move": policy.major_probability_move - _TOLERANCE,
        "major_point_move": policy.major_point_move,
    }
