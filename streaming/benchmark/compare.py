"""Compare baselines: the targets of the hardening, and a verdict on each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from streaming.benchmark.baseline import Baseline

Kind = Literal["reduction", "below", "none"]

FAIR_PRICE_TOLERANCE = 1e-9
"""The largest difference of equal probabilities: far above the rounding of reordered sums."""


@dataclass(frozen=True, slots=True)
class Target:
    """A target for a figure.

    Attributes:
        name: what is measured, for people.
        unit: of the figure; empty for a plain number.
        measure: reads the figure; None where the window says nothing about it.
        kind: ``reduction``: the figure falls by at least the limit, a fraction of what it was
            before; ``below``: the median of the rounds is under the limit; ``none``: it is 0 in
            every round.
        limit: see `kind`.
    """

    name: str
    unit: str
    measure: Callable[[Baseline], float | None]
    kind: Kind
    limit: float = 0.0

    def __str__(self) -> str:
        """Return what is wanted, in short.

        >>> print(Target("x", "ms", lambda _: None, "below", 100.0))
        < 100 ms
        """
        if self.kind == "reduction":
            return f"−{self.limit:.0%} at least"
        return "0" if self.kind == "none" else f"< {format_value(self.limit, self.unit)}"


def format_value(value: float, unit: str) -> str:
    """Format a figure for people.

    >>> format_value(0.0042, "%"), format_value(12.345, "ms"), format_value(1234.0, "")
    ('0.42 %', '12.3 ms', '1,234')
    """
    if unit == "%":
        return f"{100 * value:.3g} %"
    number = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{number} {unit}".strip()


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over some rounds.

    Attributes:
        median, low, high: of the rounds that say something about it.
    """

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class TargetVerdict:
    """The verdict on a target.

    Attributes:
        name: what was measured.
        wanted: what is wanted of it.
        unit: of the figures.
        before, after: the figures; None where nothing was measured.
        is_met: None where that cannot be said, because one of them is missing.
    """

    name: str
    wanted: str
    unit: str
    before: Spread | None
    after: Spread | None
    is_met: bool | None


def failed_calls_per_minute(baseline: Baseline) -> float | None:
    """Return the calls to providers that failed, for each minute of polling."""
    if not baseline.cycles.polling_seconds:
        return None
    failures = sum(provider.failures for provider in baseline.providers.values())
    return 60 * failures / baseline.cycles.polling_seconds


def recomputes_per_change(baseline: Baseline) -> float | None:
    """Return the recomputes of a market that were asked for, for each line change.

    Asked for, not made: one that finds its market valued was a message all the same. Per market,
    not per message: putting many into one message is not counted as a saving.
    """
    changes = sum(baseline.changes.values())
    return baseline.recomputes.markets_asked / changes if changes else None


TARGETS: tuple[Target, ...] = (
    Target("calls that failed, a minute", "", failed_calls_per_minute, "reduction", 0.9),
    Target("recomputes of a market, a change", "", recomputes_per_change, "reduction", 0.5),
    Target("recompute, p95", "ms", lambda b: b.recomputes.duration_ms.p95, "below", 100.0),
    Target("dead letters", "%", lambda b: b.failures.rate, "below", 0.01),
    Target("markets left unvalued", "", lambda b: float(b.overdue_markets), "none"),
)


def compare(before: Sequence[Baseline], after: Sequence[Baseline]) -> list[TargetVerdict]:
    """Judge every target.

    Args:
        before: what improvements are measured against, one baseline a round.
        after: what has to meet the targets.
    """
    return [
        judge(target, spread(target.measure, before), spread(target.measure, after))
        for target in TARGETS
    ]


def judge(target: Target, before: Spread | None, after: Spread | None) -> TargetVerdict:
    """Judge one target.

    >>> calls = TARGETS[0]
    >>> judge(calls, Spread(100.0, 90.0, 120.0), Spread(8.0, 8.0, 9.0)).is_met
    True
    >>> judge(calls, Spread(0.0, 0.0, 0.0), Spread(0.0, 0.0, 0.0)).is_met is None
    True
    """
    return TargetVerdict(
        target.name, str(target), target.unit, before, after, _is_met(target, before, after)
    )


def _is_met(target: Target, before: Spread | None, after: Spread | None) -> bool | None:
    if after is None:
        return None
    if target.kind == "none":
        return after.high == 0
    if target.kind == "below":
        return after.median < target.limit
    if before is None or before.median == 0:
        return None
    # With slack for rounding, so that a reduction by exactly the limit is one.
    return after.median <= before.median * (1 - target.limit) * (1 + 1e-12)


def spread(
    measure: Callable[[Baseline], float | None], baselines: Sequence[Baseline]
) -> Spread | None:
    """Return a figure over some rounds; None when none says anything about it."""
    values = [value for each in baselines if (value := measure(each)) is not None]
    return Spread(median(values), min(values), max(values)) if values else None


FairPrices = Mapping[str, float]
"""Outcome → probability, of those that have a fair price."""


def judge_fair_prices(before: Sequence[FairPrices], after: Sequence[FairPrices]) -> TargetVerdict:
    """Judge whether all runs of one recording end in the same fair prices, those of the first.

    >>> judge_fair_prices([{"a": 0.5}], [{"a": 0.5, "b": 0.1}]).after
    Spread(median=1, low=1, high=1)
    """
    target = Target("fair prices that differ", "", lambda _: None, "none")
    first, then = (
        Spread(median(counts), min(counts), max(counts))
        for counts in ([differences(before[0], each) for each in side] for side in (before, after))
    )
    return judge(target, first, then)


def differences(one: FairPrices, other: FairPrices) -> int:
    """Count the outcomes whose fair prices differ, or that only one side has.

    >>> differences({"a": 0.5, "b": 0.2}, {"a": 0.5 + 1e-12, "b": 0.1, "c": 0.3})
    2
    """
    shared = one.keys() & other.keys()
    moved = sum(abs(one[key] - other[key]) > FAIR_PRICE_TOLERANCE for key in shared)
    return len(one.keys() ^ other.keys()) + moved
