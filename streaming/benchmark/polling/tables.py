"""The comparison of polling policies as a Markdown table."""

from __future__ import annotations

from collections.abc import Sequence

from streaming.benchmark.polling.comparison import Row, Spread

HEADERS = (
    "polls a day",
    "to the start",
    "policy",
    "p50, min",
    "p95, min",
    "mean, fixed = 1",
    "shorter on",
)

MINUTE_SECONDS = 60.0


def markdown(rows: Sequence[Row]) -> str:
    """Return a table whose figures are medians over the schedules, with their middle 80 %.

    >>> one = Spread(90.0, 120.0, 150.0, 3)
    >>> print(markdown([Row(96, "< 3 h", "adaptive", one, one, Spread(0.5, 0.75, 0.9, 3), 2)]))
    | polls a day | to the start | policy | p50, min | p95, min | mean, fixed = 1 | shorter on |
    | --- | --- | --- | --- | --- | --- | --- |
    | 96 | < 3 h | adaptive | 2.0 (1.5–2.5) | 2.0 (1.5–2.5) | 0.75 (0.50–0.90) | 2 of 3 |
    """
    lines = [HEADERS, ("---",) * len(HEADERS), *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    is_first = row.policy == "fixed"
    return (
        str(row.polls_a_day),
        row.span,
        row.policy,
        _figure(row.p50_seconds, MINUTE_SECONDS, 1),
        _figure(row.p95_seconds, MINUTE_SECONDS, 1),
        "1" if is_first else _figure(row.mean_of_fixed, 1.0, 2),
        "" if is_first else f"{row.better} of {row.mean_of_fixed.count}",
    )


def _figure(spread: Spread, unit: float, digits: int) -> str:
    low, middle, high = (
        f"{each / unit:.{digits}f}" for each in (spread.low, spread.middle, spread.high)
    )
    return middle if spread.count == 1 else f"{middle} ({low}–{high})"
