"""When resources run out, on scripts of their levels, in simulated time: limits against trends.

A trend alarms if a level is foretold to reach its end within a horizon. Its constants were chosen
on seeds 0 to 19.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import pi, sin
from random import Random
from statistics import median
from types import MappingProxyType

from streaming.benchmark.health.table import table
from streaming.core.exhaustion import Point, TrendPolicy, exhausted_at, since_last_drop

STEP_SECONDS = 600.0
POINTS = 37
"""The points of six hours, as `streaming.health.outlook` reads them."""

HOUR_SECONDS = 3600.0
DAYS = 5
_DROP = 0.05


@dataclass(frozen=True, slots=True)
class Levels:
    """The levels of a disk, and when it is full.

    Attributes:
        points: in order of time.
        begun_at: when it began to fill, in seconds; None where it does not.
        full_at: when it is full; None where it never is.
    """

    points: Sequence[Point]
    begun_at: float | None
    full_at: float | None


def _levels(chance: Random, extra: Callable[[float], float], begun_at: float | None) -> Levels:
    """Return the levels of a disk in order, with more on it."""
    base, swing = chance.uniform(0.4, 0.75), chance.uniform(0.005, 0.03)
    noise = chance.uniform(0.0005, 0.003)
    phase = chance.uniform(0, 2 * pi)
    points: list[Point] = []
    for step in range(int(DAYS * 24 * HOUR_SECONDS / STEP_SECONDS)):
        at = step * STEP_SECONDS
        usual = base + swing * sin(2 * pi * at / 86_400 + phase) + chance.gauss(0, noise)
        level = usual + extra(at)
        if level >= 1.0:
            return Levels(points, begun_at, at)
        points.append((at, level))
    return Levels(points, begun_at, None)


def _healthy(chance: Random) -> Levels:
    return _levels(chance, lambda _at: 0.0, None)


def _pruned(chance: Random) -> Levels:
    """Return a disk that fills each day, and is made room on at night."""
    daily = chance.uniform(0.03, 0.12)
    return _levels(chance, lambda at: daily * (at % 86_400) / 86_400, None)


def _dump(chance: Random) -> Levels:
    """Return a disk that a dump is written to within an hour, and stays on."""
    begun, size = chance.uniform(1, 3) * 86_400, chance.uniform(0.05, 0.15)
    return _levels(chance, lambda at: size * min(max((at - begun) / HOUR_SECONDS, 0), 1), None)


def _fills(shortest_hours: float, longest_hours: float) -> Callable[[Random], Levels]:
    def levels(chance: Random) -> Levels:
        begun = chance.uniform(1, 2) * 86_400
        rate = 1.0 / (chance.uniform(shortest_hours, longest_hours) * HOUR_SECONDS)
        return _levels(chance, lambda at: rate * max(at - begun, 0), begun)

    return levels


SCRIPTS: Mapping[str, Callable[[Random], Levels]] = MappingProxyType(
    {
        "healthy": _healthy,
        "pruned each night": _pruned,
        "a dump is written": _dump,
        "fills within hours": _fills(6, 24),
        "fills within days": _fills(24, 100),
    }
)

Rule = Callable[[Sequence[Point]], bool]


def reaches(limit: float) -> Rule:
    """Return the rule of a limit of the level."""
    return lambda points: points[-1][1] >= limit


def foretold(horizon_hours: float, policy: TrendPolicy) -> Rule:
    """Return the rule of a trend that ends within a horizon."""

    def alarms(points: Sequence[Point]) -> bool:
        used = since_last_drop(points[-POINTS:], _DROP)
        at = exhausted_at(used, 1.0, policy)
        return at is not None and at - points[-1][0] <= horizon_hours * HOUR_SECONDS

    return alarms


def rules(policy: TrendPolicy) -> Mapping[str, Rule]:
    """Return the rules that are compared."""
    return {
        "90 % used (warns)": reaches(0.9),
        "97 % used (fails)": reaches(0.97),
        "runs out within 6 h": foretold(6, policy),
        "runs out within 24 h": foretold(24, policy),
    }


@dataclass(frozen=True, slots=True)
class LevelResult:
    """One seed of a script under one rule.

    Attributes:
        lead_hours: from the alarm to the full disk; None without one of them.
        false_hours: how long it alarmed while the disk did not fill.
    """

    lead_hours: float | None
    false_hours: float


def run(levels: Levels, rule: Rule) -> LevelResult:
    """Judge a script at each of its points."""
    begun = float("inf") if levels.begun_at is None else levels.begun_at
    false, heard = 0.0, None
    for count in range(2, len(levels.points) + 1):
        at = levels.points[count - 1][0]
        # What the fault cannot change any more need not be judged.
        if (at < begun or heard is None) and rule(levels.points[:count]):
            if at < begun:
                false += STEP_SECONDS / HOUR_SECONDS
            elif heard is None:
                heard = at
    lead = None
    if heard is not None and levels.full_at is not None:
        lead = (levels.full_at - heard) / HOUR_SECONDS
    return LevelResult(lead, false)


def compare(seeds: Iterable[int], policy: TrendPolicy) -> str:
    """Return the table of all scripts and rules."""
    seeds = tuple(seeds)
    columns = ("disk", "alarms if", "full, found", "lead, h: median (range)", "false, h a day")
    return table(columns, _rows(seeds, policy))


def _rows(seeds: Sequence[int], policy: TrendPolicy) -> Iterator[list[str]]:
    for name, script in SCRIPTS.items():
        played = [script(Random(f"{name} {seed}")) for seed in seeds]  # noqa: S311 - repeatable
        full = sum(each.full_at is not None for each in played)
        days = sum(_healthy_days(each) for each in played)
        for words, rule in rules(policy).items():
            results = [run(each, rule) for each in played]
            leads = [each.lead_hours for each in results if each.lead_hours is not None]
            shown = f"{median(leads):.1f} ({min(leads):.1f} to {max(leads):.1f})" if leads else "–"
            false = sum(each.false_hours for each in results) / days
            yield [name, words, f"{len(leads)} of {full}" if full else "–", shown, f"{false:.2f}"]


def _healthy_days(levels: Levels) -> float:
    end = levels.points[-1][0] if levels.begun_at is None else levels.begun_at
    return end / 86_400
