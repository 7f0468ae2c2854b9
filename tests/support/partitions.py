"""How well a partition agrees with the true one: adjusted Rand index and purity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from math import comb


def adjusted_rand(truth: Sequence[Hashable], found: Sequence[Hashable]) -> float:
    """Return the adjusted Rand index: 1 for the same partition, about 0 for chance."""
    together = sum(comb(n, 2) for n in Counter(zip(truth, found, strict=True)).values())
    of_truth = sum(comb(n, 2) for n in Counter(truth).values())
    of_found = sum(comb(n, 2) for n in Counter(found).values())
    expected = of_truth * of_found / max(comb(len(truth), 2), 1)
    largest = (of_truth + of_found) / 2
    return 1.0 if largest == expected else (together - expected) / (largest - expected)


def purity(truth: Sequence[Hashable], found: Sequence[Hashable]) -> float:
    """Return the share of items that are of the most frequent cause of their cluster."""
    largest: Counter[Hashable] = Counter()
    for (_, cluster), n in Counter(zip(truth, found, strict=True)).items():
        largest[cluster] = max(largest[cluster], n)
    return largest.total() / len(truth)
