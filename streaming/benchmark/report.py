"""Baselines and verdicts as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from django.core.management.base import OutputWrapper

from streaming.benchmark.baseline import Baseline
from streaming.benchmark.compare import Spread, TargetVerdict, format_value, spread
from streaming.benchmark.figures import FIGURES
from streaming.runner.tables import write_table


def verdicts(out: OutputWrapper, judged: Iterable[TargetVerdict], sides: Iterable[str]) -> None:
    """Write a table of targets: the figures of both sides, and whether each is met."""
    write_table(
        out, ("figure", *sides, "change", "wanted", "verdict"), [_verdict(each) for each in judged]
    )


def figures(out: OutputWrapper, sides: Mapping[str, Sequence[Baseline]]) -> None:
    """Write a table of the figures without a target: each side's median and spread over rounds."""
    rows = [
        (each.name, *(_spread(spread(each.measure, side), each.unit) for side in sides.values()))
        for each in FIGURES
    ]
    write_table(out, ("figure", *sides), rows)


def _verdict(verdict: TargetVerdict) -> tuple[str, ...]:
    before, after = verdict.before, verdict.after
    change = ""
    if before and after and before.median:
        change = f"{after.median / before.median - 1:+.1%}".replace("-", "−")
    answer = {True: "met", False: "MISSED", None: "not measured"}[verdict.is_met]
    cells = (_spread(each, verdict.unit) for each in (before, after))
    return (verdict.name, *cells, change, verdict.wanted, answer)


def _spread(figure: Spread | None, unit: str) -> str:
    """Format a median, with the lowest and highest round where they differ.

    >>> _spread(Spread(2.0, 1.0, 3.5), "ms"), _spread(Spread(2.0, 2.0, 2.0), ""), _spread(None, "")
    ('2 ms (1 … 3.5)', '2', '–')
    """
    if figure is None:
        return "–"
    text = format_value(figure.median, unit)
    if figure.low == figure.high:
        return text
    low, high = (
        format_value(end, unit).removesuffix(f" {unit}") for end in (figure.low, figure.high)
    )
    return f"{text} ({low} … {high})"
