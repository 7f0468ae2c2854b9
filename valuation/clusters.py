"""The standard error of a mean of samples that are not independent, as bets on one event.

It is clustered by event: that of the sum over events of their deviations from the mean.
"""

from __future__ import annotations

import math


def clustered_error(
    count: int, clusters: int, total: float, products: tuple[float, float, float]
) -> float | None:
    """Return the standard error of a mean over clusters of samples; None with fewer than two.

    Args:
        count: the samples.
        clusters: the clusters.
        total: the sum of all samples.
        products: sums over the clusters: of their squared sums, of sum times size, and of their
            squared sizes.

    Source: Cameron and Miller (2015), "A practitioner's guide to cluster-robust inference", with
    the correction G/(G − 1).

    >>> samples = [[0.1, 0.3], [-0.2], [0.4]]
    >>> sums, sizes = [sum(each) for each in samples], [len(each) for each in samples]
    >>> products = sum(s * s for s in sums), sum(map(lambda s, n: s * n, sums, sizes)), 6.0
    >>> round(clustered_error(4, 3, sum(sums), products), 4)
    0.1352
    """
    if clusters < 2:
        return None
    mean = total / count
    squares, mixed, sizes = products
    variance = (squares - 2 * mean * mixed + mean * mean * sizes) / count**2
    return math.sqrt(max(variance, 0.0) * clusters / (clusters - 1))
