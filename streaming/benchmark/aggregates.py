"""The aggregates in a baseline: percentiles of values, and the resources that programs used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, fsum

from streaming.benchmark.baseline import Distribution, ProcessFigures


def distribution(values: Sequence[float]) -> Distribution:
    """Describe how values are spread.

    >>> distribution([4.0, 1.0, 2.0, 3.0])
    Distribution(count=4, mean=2.5, p50=2.0, p95=4.0, p99=4.0, max=4.0)
    >>> distribution([]).p50 is None
    True
    """
    if not values:
        return Distribution(0)
    ordered = sorted(values)
    p50, p95, p99 = (ordered[_rank(len(ordered), percent) - 1] for percent in (50, 95, 99))
    return Distribution(len(ordered), fsum(ordered) / len(ordered), p50, p95, p99, ordered[-1])


def _rank(count: int, percent: int) -> int:
    """Return the nearest rank, from 1; in whole numbers, so that no rounding error decides."""
    return ceil(count * percent / 100) if count * percent % 100 else count * percent // 100


@dataclass(frozen=True, slots=True)
class Usage:
    """One process at one moment.

    Attributes:
        started_at: when it started, seconds; with the process id it identifies the process.
        memory_bytes: its resident memory, pages that it shares with others included.
        private_bytes: the part of it that no other process shares by a file or a segment; where
            the system does not tell, all of it.
        cpu_seconds: its CPU time since its start.
    """

    started_at: float
    memory_bytes: int
    private_bytes: int
    cpu_seconds: float


Usages = Mapping[int, Usage]
"""Process id → usage."""


GROWING_BYTES = 5_000_000
"""A process with less memory of its own than this is not asked how much it has grown."""


def memory_growth(earlier: Sequence[Usages], later: Sequence[Usages]) -> float:
    """Return the part by which the process has become larger that grew most.

    Only memory of its own counts, and of each part the sample with the least of it: what a
    statement takes for a moment is no growth. Left out are processes that do not appear in every
    sample, and those that do not come to `GROWING_BYTES`: a table of PostgreSQL's checkpointer, of
    a megabyte, may double.

    Args:
        earlier: samples of one part of a run; at least one.
        later: samples of another part.

    >>> before = {7: Usage(1.0, 200, 50_000_000, 0.0), 8: Usage(1.0, 50, 40, 0.0)}
    >>> after = {7: Usage(1.0, 300, 51_000_000, 0.0), 8: Usage(1.0, 50, 80, 0.0)}
    >>> memory_growth([before], [after])
    0.02
    """
    samples = [*earlier, *later]
    lasting = [
        pid
        for pid, usage in samples[0].items()
        if all(pid in each and each[pid].started_at == usage.started_at for each in samples)
    ]
    held = (
        [min(each[pid].private_bytes for each in part) for part in (earlier, later)]
        for pid in lasting
    )
    grown = (after / before for before, after in held if after >= GROWING_BYTES)
    return round(max(grown, default=1.0) - 1, 9)


def process_figures(samples: Sequence[Usages]) -> ProcessFigures:
    """Compute the resources that a program used over some samples.

    A process in the first sample counts from that sample on, one that appears later from its own
    start. CPU time after a process's last sample is not known, and not counted.

    Args:
        samples: of all processes of the program, oldest first, one or more.

    >>> first = {7: Usage(1.0, 100, 90, 3.0)}
    >>> then = {7: Usage(1.0, 140, 90, 3.5), 8: Usage(2.0, 60, 50, 0.25)}
    >>> process_figures([first, then])
    ProcessFigures(memory_bytes_mean=150.0, memory_bytes_max=200, cpu_seconds=0.75)
    """
    sums = [sum(usage.memory_bytes for usage in sample.values()) for sample in samples]
    last = {
        (pid, usage.started_at): usage.cpu_seconds
        for sample in samples
        for pid, usage in sample.items()
    }
    before = fsum(usage.cpu_seconds for usage in samples[0].values())
    return ProcessFigures(fsum(sums) / len(sums), max(sums), fsum(last.values()) - before)
