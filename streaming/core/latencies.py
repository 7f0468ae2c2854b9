"""A bounded record of how long things took: counts in buckets that double in width."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

STEPS_PER_DOUBLING = 2
BUCKETS = 34
"""Bucket i holds durations up to 2^(i/2) ms, the first everything below; the last all the rest."""

MAX_COUNT = 1_000
"""Reached, every count is halved: what happened lately weighs more than what happened long ago."""

EMPTY: tuple[int, ...] = (0,) * BUCKETS


def observe(counts: Sequence[int], duration_ms: float) -> tuple[int, ...]:
    """The counts with one more duration among them.

    >>> observe(EMPTY, 3.0)[:6]
    (0, 0, 0, 0, 1, 0)
    """
    bucket = next((i for i in range(BUCKETS - 1) if duration_ms <= limit_ms(i)), BUCKETS - 1)
    more = [*counts]
    more[bucket] += 1
    halved = sum(more) >= MAX_COUNT
    return tuple(count // 2 for count in more) if halved else tuple(more)


def quantile_ms(counts: Sequence[int], fraction: float) -> float | None:
    """The duration that at least this fraction of them did not exceed, rounded up to its bucket.

    Args:
        counts: as `observe` made them.
        fraction: above 0, up to 1.

    Returns:
        Milliseconds, at most √2 times too much; None without any duration.

    >>> counts = observe(observe(observe(EMPTY, 3.0), 3.5), 100.0)
    >>> quantile_ms(counts, 0.5), quantile_ms(counts, 0.95)
    (4.0, 128.0)
    """
    total = sum(counts)
    if not total:
        return None
    reached = (i for i, below in enumerate(accumulate(counts)) if below >= fraction * total)
    return limit_ms(next(reached))


def limit_ms(bucket: int) -> float:
    """The longest duration in a bucket, milliseconds."""
    return float(2 ** (bucket / STEPS_PER_DOUBLING))
