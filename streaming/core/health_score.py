"""The score of the whole, and its trend.

The worst group of checks counts, not the mean of all: a database that answers does not make up for
processes that are dead. A failing check leaves less than half of the score.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from streaming.core.health import Status, overall

_POINTS: Mapping[Status, float] = MappingProxyType(
    {Status.PASS: 1.0, Status.WARN: 0.5, Status.UNKNOWN: 0.0, Status.FAIL: 0.0}
)

CEILINGS: Mapping[Status, int] = MappingProxyType(
    {Status.PASS: 100, Status.WARN: 100, Status.UNKNOWN: 75, Status.FAIL: 49}
)
"""The highest score of a whole with this status."""

TREND_HOURS = 1 / 6
"""The shortest span of a trend: within less, a start or the end of a fault would look steep."""


def part(statuses: Sequence[Status]) -> float:
    """Return the part of a group that is well, 0 to 1: a warning counts half, unknown nothing.

    >>> part([Status.PASS, Status.PASS, Status.WARN, Status.FAIL]), part([])
    (0.625, 0.0)
    """
    return sum(_POINTS[status] for status in statuses) / len(statuses) if statuses else 0.0


def score(groups: Iterable[Sequence[Status]]) -> int:
    """Return the score of the whole, 0 to 100: its status's ceiling times the worst group's part.

    Args:
        groups: the statuses of the checks, by group; empty groups are left out.

    >>> score([[Status.PASS] * 4, [Status.PASS, Status.WARN]])
    75
    >>> score([[Status.PASS] * 4, [Status.FAIL, Status.FAIL, Status.PASS, Status.PASS]])
    24
    """
    filled = [group for group in groups if group]
    ceiling = CEILINGS[overall(status for group in filled for status in group)]
    return math.floor(ceiling * min(map(part, filled), default=0.0))


def trend(scores: Sequence[tuple[float, float]]) -> float | None:
    """Return the slope of the straight line that fits the scores best.

    Args:
        scores: hours and the score at that time, in any order.

    Returns:
        Points an hour; None where the scores span less than `TREND_HOURS`.

    >>> trend([(0.0, 90.0), (0.5, 95.0), (1.0, 100.0)])
    10.0
    """
    times = [hours for hours, _ in scores]
    if not times or max(times) - min(times) < TREND_HOURS:
        return None
    middle = sum(hours for hours, _ in scores) / len(scores)
    spread = sum((hours - middle) ** 2 for hours, _ in scores)
    return sum((hours - middle) * points for hours, points in scores) / spread
