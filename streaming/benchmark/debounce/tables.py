"""The comparison of fixed and adaptive windows as a Markdown table, and what was won, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan

from streaming.benchmark.debounce.frontier import LEAST_CHANGES, Comparison, Figures, Pair, Spread

COLUMNS = (
    "window",
    "recomputes",
    "p50 → p95, ms",
    "error, p·s",
    "adaptive p95, ms",
    "adaptive error, p·s",
    "error, fixed = 1",
    "p95, fixed = 1",
    "recomputes at equal error, fixed = 1",
)


def markdown(comparison: Comparison) -> str:
    """Return a table of one tape: each fixed window beside adaptive ones of equal recomputes.

    Ratios are followed by the middle 90 % of their values over resampled blocks of changes.
    """
    lines = [COLUMNS, ("---",) * len(COLUMNS), *map(_cells, comparison.pairs)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{_heading(comparison)}\n\n{table}\n"


def verdict(comparison: Comparison) -> Iterator[str]:
    """Yield sentences that say at which windows adaptive ones win, at as many recomputes.

    A figure is smaller or larger if its whole spread is.
    """
    pairs = comparison.pairs
    if comparison.changes < LEAST_CHANGES:
        yield f"{comparison.changes} changes are too few to judge by."
        return
    for name, spreads in (
        ("error", [(each.window_ms, each.error) for each in pairs]),
        ("95th percentile of the latency", [(each.window_ms, each.p95) for each in pairs]),
    ):
        smaller = [window for window, spread in spreads if spread.high < 1]
        larger = [window for window, spread in spreads if spread.low > 1]
        if smaller:
            yield f"At equal recomputes the {name} is smaller than with {_windows(smaller)}."
        if larger:
            yield f"At equal recomputes the {name} is larger than with {_windows(larger)}."
    rest = [each.window_ms for each in pairs if not each.is_won]
    if rest:
        yield f"Not every fixed window is beaten: nothing is shown against {_windows(rest)}."
    else:
        yield "Every fixed window is beaten."


def _heading(of: Comparison) -> str:
    default = of.default
    return (
        f"{of.tape}: {of.changes:,} changes, of which {of.major:,} are major moves and never wait."
        f" Adaptive with its usual constants: {default.recomputes:,.0f} recomputes,"
        f" {_milliseconds(default)} ms, {default.error:.4f} p·s. On the whole tape, with the usual"
        f" fixed windows and adaptive: {of.messages[0]:,} and {of.messages[1]:,} messages,"
        f" {of.worker_seconds[0]:.1f} and {of.worker_seconds[1]:.1f} s of workers' time."
    )


def _cells(pair: Pair) -> tuple[str, ...]:
    fixed, adaptive = pair.fixed, pair.adaptive
    return (
        f"{pair.window_ms} ms",
        f"{fixed.recomputes:,.0f}",
        _milliseconds(fixed),
        f"{fixed.error:.4f}",
        _number(adaptive.p95_ms, 0),
        _number(adaptive.error, 4),
        _ratio(pair.error),
        _ratio(pair.p95),
        _ratio(pair.recomputes, 3),
    )


def _milliseconds(figures: Figures) -> str:
    return f"{figures.p50_ms:.0f} → {figures.p95_ms:.0f}"


def _ratio(of: Spread, digits: int = 2) -> str:
    """Return a ratio with its spread; a dash where adaptive windows do not come so low.

    >>> _ratio(Spread(0.7, 0.8, 0.9)), _ratio(Spread(0.7, float("nan"), 0.9))
    ('0.80 (0.70–0.90)', '–')
    """
    if isnan(of.value):
        return "–"
    return f"{of.value:.{digits}f} ({of.low:.{digits}f}–{of.high:.{digits}f})"


def _number(value: float, digits: int) -> str:
    return "–" if isnan(value) else f"{value:.{digits}f}"


def _windows(milliseconds: Sequence[int]) -> str:
    """Return windows in words.

    >>> _windows([50]), _windows([50, 100, 150])
    ('a window of 50 ms', 'windows of 50, 100 and 150 ms')
    """
    *others, last = map(str, milliseconds)
    return f"windows of {', '.join(others)} and {last} ms" if others else f"a window of {last} ms"
