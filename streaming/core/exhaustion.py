"""When a resource will run out: a straight line through its level that outliers do not turn.

The slope is Theil and Sen's, the median of the slopes between all pairs of points. It counts only
if the trend is significant by Mann and Kendall's test. An hour does not say what a month will
bring, so a line is followed no further than some times the span of its points.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

Point = tuple[float, float]
"""Seconds, and the level then."""


@dataclass(frozen=True, slots=True)
class TrendPolicy:
    """The constants, chosen on other seeds than those that judge them: ADR 73.

    Attributes:
        min_points: fewer say nothing.
        significance: standard deviations from which on a trend is none by chance.
        farthest_spans: how far the line is followed, in spans of its points.
    """

    min_points: int = 15
    significance: float = 5.0
    farthest_spans: float = 20.0


def slope(points: Sequence[Point]) -> float | None:
    """Return the median slope of all pairs, a second; None without two different times.

    >>> slope([(0, 1.0), (1, 2.0), (2, 300.0), (3, 4.0), (4, 5.0)])
    1.0
    """
    slopes = [
        (after - before) / (later - earlier)
        for (earlier, before), (later, after) in combinations(points, 2)
        if later != earlier
    ]
    return median(slopes) if slopes else None


def significance(points: Sequence[Point]) -> float:
    """Return how many standard deviations the trend is from none: positive if levels rise.

    >>> significance([(0, 1.0), (1, 1.0)]), round(significance([(i, i) for i in range(12)]), 2)
    (0.0, 4.46)
    """
    levels = [level for _, level in sorted(points)]
    count = len(levels)
    rising = sum((b > a) - (b < a) for a, b in combinations(levels, 2))
    ties = sum(n * (n - 1) * (2 * n + 5) for n in Counter(levels).values())
    variance = (count * (count - 1) * (2 * count + 5) - ties) / 18
    if variance <= 0 or not rising:
        return 0.0
    return (rising - math.copysign(1.0, rising)) / math.sqrt(variance)


def exhausted_at(
    points: Sequence[Point], limit: float, policy: TrendPolicy | None = None
) -> float | None:
    """Return when the level will reach its limit, in the seconds of the points.

    Args:
        points: in order of time.
        limit: the level at which the resource has run out.
        policy: the constants.

    Returns:
        None if the level does not clearly rise, or reaches its limit too late to be foretold.

    >>> exhausted_at([(60.0 * i, 100.0 + i) for i in range(30)], 200.0)
    6000.0
    """
    policy = policy or TrendPolicy()
    if len(points) < policy.min_points or significance(points) < policy.significance:
        return None
    rise = slope(points)
    if rise is None or rise <= 0:
        return None
    first, last = points[0][0], points[-1][0]
    level = median(level - rise * (at - last) for at, level in points)
    at = last + max(0.0, limit - level) / rise
    return at if at - last <= policy.farthest_spans * (last - first) else None


def since_last_drop(points: Sequence[Point], drop: float) -> Sequence[Point]:
    """Return the points from the last one on that lies this far below the one before it.

    What was renewed, as credits are each month, or made free, says nothing about what is used now.

    >>> since_last_drop([(0, 5.0), (1, 6.0), (2, 1.0), (3, 2.0)], 2.0)
    [(2, 1.0), (3, 2.0)]
    """
    begun = 0
    for place in range(1, len(points)):
        if points[place - 1][1] - points[place][1] >= drop:
            begun = place
    return points[begun:]
