"""Times of a sequence that are out of its order."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise


def out_of_order(times: Sequence[float]) -> list[int]:
    """Return the indices of the fewest times without which the rest are in order.

    A single time that is far too late is returned alone, without all that come after it.

    >>> out_of_order([1, 2, 9, 3, 3]), out_of_order([5, 6, 1, 7])
    ([2], [2])
    """
    if all(earlier <= later for earlier, later in pairwise(times)):
        return []
    # The longest run by patience sorting: of the runs of each length, that with the earliest end.
    ends: list[int] = []
    end_times: list[float] = []
    before: list[int] = []
    for index, time in enumerate(times):
        length = bisect_right(end_times, time)
        before.append(ends[length - 1] if length else -1)
        ends[length : length + 1] = [index]
        end_times[length : length + 1] = [time]
    kept: set[int] = set()
    last = ends[-1]
    while last >= 0:
        kept.add(last)
        last = before[last]
    return [index for index in range(len(times)) if index not in kept]
