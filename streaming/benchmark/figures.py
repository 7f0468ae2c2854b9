"""The figures of a baseline that are shown beside the targets, and judged by people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streaming.benchmark.baseline import Baseline

_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a table.

    Attributes:
        name: what it is, for people.
        unit: of the figure; empty for a plain number.
        measure: reads it; None where the window says nothing about it.
    """

    name: str
    unit: str
    measure: Callable[[Baseline], float | None]


def transitions(baseline: Baseline) -> int:
    """Count the changes of circuits' states."""
    return sum(sum(each.transitions.values()) for each in baseline.providers.values())


def memory_megabytes(baseline: Baseline) -> float | None:
    """Return the mean resident memory of all processes; shared pages are counted in each."""
    if not baseline.processes:
        return None
    return sum(each.memory_bytes_mean for each in baseline.processes.values()) / _MEGABYTE


def cpu_seconds(baseline: Baseline) -> float | None:
    """Return the CPU time of all processes together."""
    if not baseline.processes:
        return None
    return sum(each.cpu_seconds for each in baseline.processes.values())


FIGURES: tuple[Figure, ...] = (
    Figure("window", "s", lambda b: b.seconds),
    Figure("cycles", "", lambda b: b.cycles.duration_ms.count),
    Figure("cycle, mean", "ms", lambda b: b.cycles.duration_ms.mean),
    Figure("cycle, p50", "ms", lambda b: b.cycles.duration_ms.p50),
    Figure("cycle, p95", "ms", lambda b: b.cycles.duration_ms.p95),
    Figure("cycle, max", "ms", lambda b: b.cycles.duration_ms.max),
    Figure("quotes a cycle, mean", "", lambda b: b.cycles.quotes.mean),
    Figure("changes a cycle, mean", "", lambda b: b.cycles.changes.mean),
    Figure("line changes", "", lambda b: sum(b.changes.values())),
    Figure("calls that failed", "", lambda b: sum(p.failures for p in b.providers.values())),
    Figure("calls refused by circuits", "", lambda b: sum(p.refused for p in b.providers.values())),
    Figure("circuit transitions", "", transitions),
    Figure("recompute messages", "", lambda b: sum(b.recomputes.messages.values())),
    Figure("markets asked for in them", "", lambda b: b.recomputes.markets_asked),
    Figure("markets valued by them", "", lambda b: b.recomputes.markets_valued),
    Figure("changes a recompute of a market", "", lambda b: b.recomputes.changes_per_recompute),
    Figure("recompute, mean", "ms", lambda b: b.recomputes.duration_ms.mean),
    Figure("recompute, p50", "ms", lambda b: b.recomputes.duration_ms.p50),
    Figure("recompute, p99", "ms", lambda b: b.recomputes.duration_ms.p99),
    Figure("change to value, p50", "ms", lambda b: b.recomputes.change_to_value_ms.p50),
    Figure("change to value, p95", "ms", lambda b: b.recomputes.change_to_value_ms.p95),
    Figure("deliveries", "", lambda b: b.deliveries.delivered),
    Figure("deliveries that failed", "", lambda b: b.deliveries.failed),
    Figure("dead letters", "", lambda b: b.failures.dead_letters),
    Figure("messages queued, p95", "", lambda b: b.backlog.queued_messages.p95),
    Figure("messages queued, max", "", lambda b: b.backlog.queued_messages.max),
    Figure("markets unvalued, max", "", lambda b: b.backlog.stale_markets.max),
    Figure("memory of all processes, mean", "MB", memory_megabytes),
    Figure("CPU of all processes", "s", cpu_seconds),
)
