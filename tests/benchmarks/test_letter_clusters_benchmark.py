"""Clusters of dead letters beside exact fingerprints, on failures of known causes.

`make bench` prints the table of docs/adr/0064-patterns-of-dead-letters.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from datetime import UTC, datetime
from statistics import mean

from streaming.core.letter_clusters import LetterGroup, clusters, failure_of
from streaming.core.letters import Letter, fingerprint
from tests.support.labelled_failures import labelled_failures
from tests.support.partitions import adjusted_rand, purity

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SEEDS = range(100, 120)
"""None of them was looked at when the weights and the threshold were chosen (0 to 9 were)."""


def by_fingerprint(letters: Sequence[Letter]) -> list[Hashable]:
    return [fingerprint(letter) for letter in letters]


def by_message(letters: Sequence[Letter]) -> list[Hashable]:
    """The exception and its masked message alone: the simplest thing that could do."""
    failures = [failure_of(each.exception, each.message, each.traceback) for each in letters]
    return [(failure.name, failure.message) for failure in failures]


def by_cluster(letters: Sequence[Letter]) -> list[Hashable]:
    groups = [
        LetterGroup(
            failure_of(letter.exception, letter.message, letter.traceback),
            str(number), 1, NOON, NOON,
        )
        for number, letter in enumerate(letters)
    ]  # fmt: skip
    keys = {f: cluster.key for cluster in clusters(groups) for f in cluster.fingerprints}
    return [keys[str(number)] for number in range(len(letters))]


WAYS: dict[str, Callable[[Sequence[Letter]], list[Hashable]]] = {
    "exact fingerprint": by_fingerprint,
    "exception and masked message": by_message,
    "cluster": by_cluster,
}


def measured(seeds: range) -> dict[str, list[tuple[float, float, int]]]:
    """Return way → adjusted Rand index, purity and number of parts, by seed."""
    found: dict[str, list[tuple[float, float, int]]] = {way: [] for way in WAYS}
    for seed in seeds:
        truth, letters = zip(*labelled_failures(seed), strict=True)
        for way, partition in WAYS.items():
            parts = partition(letters)
            figures = (adjusted_rand(truth, parts), purity(truth, parts), len(set(parts)))
            found[way].append(figures)
    return found


def test_clusters_agree_better_with_the_causes_than_fingerprints_do() -> None:
    found = measured(SEEDS)
    for way, figures in found.items():
        rands, purities, parts = zip(*figures, strict=True)
        print(
            f"\n{way}: ARI {mean(rands):.3f} ({min(rands):.3f}–{max(rands):.3f}),"
            f" purity {mean(purities):.3f} ({min(purities):.3f}–{max(purities):.3f}),"
            f" parts {mean(parts):.1f}"
        )
    pairs = zip(found["cluster"], found["exact fingerprint"], strict=True)
    assert all(cluster[0] > exact[0] for cluster, exact in pairs)


def test_the_time_for_a_letter_does_not_grow_with_their_number() -> None:
    for number in (1_000, 4_000, 16_000):
        letters = [letter for _, letter in labelled_failures(1, number)]
        started = time.perf_counter()
        by_cluster(letters)
        each = (time.perf_counter() - started) / number
        print(f"\n{number:,} letters: {each * 1e6:.0f} µs each")
