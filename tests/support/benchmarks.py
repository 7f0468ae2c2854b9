"""Results of benchmarks, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from streaming.benchmark.results.document import SCHEMA, Curve, Machine, Measurement, Result

MACHINE = Machine("a processor", 2, 2**30, "Linux", {"Python": "3"}, {"fsync": "on"}, 0.0)


def a_result(measurements: Sequence[Measurement], curves: Sequence[Curve] = ()) -> Result:
    made_at = datetime(2026, 3, 1, tzinfo=UTC)
    return Result(SCHEMA, made_at, 1, 3, MACHINE, list(measurements), list(curves))


def a_burst(hardline: Sequence[float], naive: Sequence[float]) -> Result:
    """A result in which both have so many changes a second in each round."""
    return a_result(
        [
            Measurement("burst", "5 markets", who, number, {"changes_per_second": rate})
            for who, rates in (("hardline", hardline), ("naive", naive))
            for number, rate in enumerate(rates, 1)
        ]
    )
