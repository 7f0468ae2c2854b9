"""A histogram of latencies with fixed bounds, as rows, snapshots and scrapes hold it.

Counts of any rows may be added, and those of an earlier moment subtracted, without loss. A count
without an end is bounded by halving it: `with_latest`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

BOUNDS_MS: tuple[float, ...] = (5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000)
"""Bucket i holds values above bound i − 1 and not above bound i; one more holds the rest."""

BUCKETS = len(BOUNDS_MS) + 1

EMPTY: tuple[int, ...] = (0,) * BUCKETS

MAX_LATEST = 1_000
"""The number of values at which `with_latest` halves every count."""


def counts_of(values_ms: Iterable[float]) -> list[int]:
    """Count the values that fall into each bucket, (BUCKETS,).

    >>> counts_of([4.0, 100.0, 100.1, 1e9])
    [1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1]
    """
    counts = [0] * BUCKETS
    for value in values_ms:
        counts[bisect_left(BOUNDS_MS, value)] += 1
    return counts


def with_latest(counts: Sequence[int], value_ms: float) -> tuple[int, ...]:
    """Return the counts with one more value, in which recent values weigh more than old ones.

    Once there are `MAX_LATEST` of them, every count is halved.

    >>> with_latest(with_latest(EMPTY, 4.0), 7.0)[:3]
    (1, 1, 0)
    """
    more = [*counts]
    more[bisect_left(BOUNDS_MS, value_ms)] += 1
    is_full = sum(more) >= MAX_LATEST
    return tuple(count // 2 for count in more) if is_full else tuple(more)


def above(counts: Sequence[int], bound_ms: float) -> int:
    """Count the values above one of the bounds.

    Raises:
        ValueError: it is none of them.

    >>> above(counts_of([4.0, 100.0, 100.1, 1e9]), 100)
    2
    """
    return sum(counts[BOUNDS_MS.index(bound_ms) + 1 :])


def quantile_ms(counts: Sequence[int], fraction: float) -> float | None:
    """Return the value that this part of them does not exceed, interpolated within its bucket.

    Args:
        counts: (BUCKETS,).
        fraction: above 0, up to 1.

    Returns:
        Milliseconds; None without any values; beyond the last bound, that bound.

    >>> quantile_ms(counts_of([7.0] * 50 + [20.0] * 50), 0.75)
    17.5
    """
    total = sum(counts)
    if not total:
        return None
    wanted, below, low = fraction * total, 0, 0.0
    for count, high in zip(counts, BOUNDS_MS, strict=False):
        if count and below + count >= wanted:
            return low + (high - low) * (wanted - below) / count
        below, low = below + count, high
    return BOUNDS_MS[-1]
