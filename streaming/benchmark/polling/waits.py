"""Times from a change to the poll that shows it, by the time to the start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from streaming.benchmark.polling.schedule import HOUR_SECONDS, Schedule, Times

SPANS: Mapping[str, tuple[float, float]] = {
    "> 24 h": (24 * HOUR_SECONDS, np.inf),
    "3–24 h": (3 * HOUR_SECONDS, 24 * HOUR_SECONDS),
    "< 3 h": (0.0, 3 * HOUR_SECONDS),
    "in play": (-np.inf, 0.0),
    "all": (-np.inf, np.inf),
}
"""Times to the start, in seconds: above the first, up to the second."""


@dataclass(frozen=True, slots=True)
class Waits:
    """The waits of the changes in one span.

    Attributes:
        changes: their number.
        p50_seconds: the median.
        p95_seconds: the wait that 95 of 100 do not exceed.
        mean_seconds: the mean.
    """

    changes: int
    p50_seconds: float
    p95_seconds: float
    mean_seconds: float


def waits(schedule: Schedule, polls: Times) -> dict[str, Waits]:
    """Return the waits in each span that has changes.

    Args:
        schedule: the changes.
        polls: the times of the polls; changes after the last are shown at the schedule's end.
    """
    ends = np.append(polls, max(schedule.seconds, *polls[-1:]))
    changes = np.concatenate([each.changes for each in schedule.fixtures])
    to_start = np.concatenate([each.start - each.changes for each in schedule.fixtures])
    inside = changes <= schedule.seconds
    changes, to_start = changes[inside], to_start[inside]
    waited = ends[np.searchsorted(polls, changes, side="left")] - changes
    found = {}
    for span, (above, up_to) in SPANS.items():
        of = waited[(to_start > above) & (to_start <= up_to)]
        if of.size:
            p50, p95 = np.quantile(of, (0.5, 0.95))
            found[span] = Waits(int(of.size), float(p50), float(p95), float(of.mean()))
    return found
