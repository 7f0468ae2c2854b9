"""Saturdays of releases, side by side."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from msgspec import structs

from streaming.benchmark.compare import Spread
from streaming.benchmark.results.document import Result, ResultError
from streaming.benchmark.results.markdown import NOT_IDLE, cell, rounds_of, table
from streaming.benchmark.results.measures import BY_KEY, Measure
from streaming.benchmark.results.ratios import SUBJECT

PROFILE = "match-day"
_OF_PARTS = tuple(BY_KEY[key] for key in ("changes", "p50_ms", "p95_ms", "p99_ms"))
_OF_DAYS = tuple(
    BY_KEY[key] for key in ("cpu_seconds_per_1000", "memory_megabytes", "wrong_fair_prices")
)
"""Measured over the whole day, and noted with its first part."""


def saturdays_of(result: Result) -> Result:
    """Return a result without what else was measured.

    Raises:
        ResultError: no Saturday was measured.
    """
    days = [each for each in result.measurements if each.profile == PROFILE]
    if not days:
        raise ResultError(f"The result has no {PROFILE}.")
    curves = [each for each in result.curves if each.profile == PROFILE]
    return structs.replace(result, measurements=days, curves=curves)


def in_order(releases: Iterable[str]) -> list[str]:
    """Return releases by their numbers; what is not released yet comes last.

    >>> in_order(["unreleased", "0.10.0", "0.9.1"])
    ['0.9.1', '0.10.0', 'unreleased']
    """
    return sorted(releases, key=lambda name: (not name[0].isdigit(), _numbers(name), name))


def markdown(results: Mapping[str, Result]) -> str:
    """Return the Saturdays of releases for people: the parts of the day, then the day as a whole.

    Args:
        results: release → its result.
    """
    names = in_order(results)
    return "\n\n".join(
        (
            table(
                ("release", "part of the day", *(each.name for each in _OF_PARTS)),
                [row for name in names for row in _parts(name, results[name])],
            ),
            table(
                (
                    "release", "commit", "made at", "machine", "load before", "rounds",
                    *(each.name for each in _OF_DAYS),
                ),
                [_day(name, results[name]) for name in names],
            ),
            *(
                f"{name}: {NOT_IDLE.format('ratios')}"
                for name in names
                if not results[name].machine.was_idle
            ),
        )
    )  # fmt: skip


def _parts(name: str, result: Result) -> Iterator[tuple[str, ...]]:
    for part in dict.fromkeys(each.case for each in result.measurements):
        cells = (cell(_figure(result, part, each), each.unit) for each in _OF_PARTS)
        yield name, part, *cells


def _day(name: str, result: Result) -> tuple[str, ...]:
    first, machine = result.measurements[0].case, result.machine
    return (
        name,
        result.commit or "–",
        f"{result.made_at:%Y-%m-%d %H:%M} UTC",
        f"{machine.processor}, {machine.cores} cores",
        f"{machine.load:.2f}",
        str(result.rounds),
        *(cell(_figure(result, first, each), each.unit) for each in _OF_DAYS),
    )


def _figure(result: Result, part: str, measure: Measure) -> Spread | None:
    return rounds_of(result.measurements, part, SUBJECT, measure)


def _numbers(name: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", name)]
