"""Baselines for tests that judge or show them."""

from __future__ import annotations

from typing import Any

import msgspec

from streaming.benchmark.aggregates import distribution
from streaming.benchmark.baseline import (
    BacklogFigures,
    Baseline,
    Cycles,
    Deliveries,
    Failures,
    ProviderFigures,
    Recomputes,
)
from tests.support.rows import NOON

NOTHING = distribution([])


def a_provider(failures: int, calls: int | None = None) -> ProviderFigures:
    return ProviderFigures(
        calls=failures if calls is None else calls,
        failures=failures,
        refused=0,
        latency_ms=NOTHING,
        failure_codes={},
        circuit="closed",
        transitions={},
    )


def a_baseline(
    *,
    failed_calls: int = 0,
    changes: int = 100,
    asked: int = 100,
    recompute_ms: float = 20.0,
    dead_letters: int = 0,
    work: int = 1_000,
    **fields: Any,
) -> Baseline:
    """A minute in which all went well, but for what is said."""
    baseline = Baseline(
        label="",
        since=NOON,
        seconds=60.0,
        cycles=Cycles(NOTHING, NOTHING, NOTHING, polling_seconds=60.0),
        changes={"price": changes} if changes else {},
        providers={"odds": a_provider(failed_calls)},
        recomputes=Recomputes({}, asked, asked, None, distribution([recompute_ms]), NOTHING),
        failures=Failures(dead_letters, work),
        deliveries=Deliveries(0, 0, 0),
        backlog=BacklogFigures(NOTHING, NOTHING, NOTHING, NOTHING),
        processes={},
        markets=10,
        overdue_markets=0,
    )
    return msgspec.structs.replace(baseline, **fields)
