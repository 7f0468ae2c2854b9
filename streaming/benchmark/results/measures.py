"""The figures of a benchmark: their names, their units, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure.

    Attributes:
        key: in a `Measurement`.
        name: for people.
        unit: of the figure; empty for a plain number.
        better: which way is better; None for a fact without a ratio.
    """

    key: str
    name: str
    unit: str
    better: Literal["higher", "lower"] | None


MEASURES: tuple[Measure, ...] = (
    Measure("changes_per_second", "changes a second", "", "higher"),
    Measure("quotes_per_second", "quotes a second", "", "higher"),
    Measure("wall_seconds", "arrival to last value", "s", None),
    Measure("cpu_seconds_per_1000", "CPU of 1,000 changes", "s", "lower"),
    Measure("recomputes_per_change", "recomputes a change", "", "lower"),
    Measure("p50_ms", "arrival to value, p50", "ms", "lower"),
    Measure("p95_ms", "arrival to value, p95", "ms", "lower"),
    Measure("p99_ms", "arrival to value, p99", "ms", "lower"),
    Measure("first_ms", "the first after a start", "ms", None),
    Measure("taken_p50_ms", "taken to value, p50", "ms", None),
    Measure("taken_p95_ms", "taken to value, p95", "ms", None),
    Measure("taken_p99_ms", "taken to value, p99", "ms", None),
    Measure("memory_megabytes", "memory", "MB", None),
    Measure("memory_growth", "growth of the process that grew most", "%", None),
    Measure("changes", "changes", "", None),
    Measure("quotes", "quotes in the tables", "", None),
    Measure("history_rows", "rows of history", "", None),
    Measure("wrong_fair_prices", "fair prices that are wrong", "", None),
)
BY_KEY = {measure.key: measure for measure in MEASURES}
