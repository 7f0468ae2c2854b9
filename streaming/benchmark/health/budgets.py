"""Burn rates on scripts of misses, in simulated time: over two windows, and over pairs.

The check of today takes the lesser of five minutes' and an hour's rate, warns from 6 and fails from
14.4. The workbook's three limits each have a long and a short window: somebody is called at the
first two, and the third can wait. Neither has a constant that these scripts chose.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from statistics import median
from types import MappingProxyType

from streaming.benchmark.health.table import table
from streaming.core.error_budget import LIMITS, Misses, burning, rate_over, rates

OBJECTIVE = 0.99
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = 1, 60, 1440
"""In minutes."""

BEFORE = 4 * DAY
"""The healthy time before a fault: the longest window is three days."""

LATER = 6 * HOUR


@dataclass(frozen=True, slots=True)
class Script:
    """Misses from a moment on.

    Attributes:
        minutes: how long, from the shortest to the longest.
        share: the part of the work that misses, from the least to the most.
        needs_call: whether somebody has to be called.
    """

    minutes: tuple[int, int]
    share: tuple[float, float]
    needs_call: bool


SCRIPTS: Mapping[str, Script] = MappingProxyType(
    {
        "healthy": Script((0, 0), (0.0, 0.0), needs_call=False),
        "hiccup of a minute or two": Script((MINUTE, 2 * MINUTE), (0.5, 1.0), needs_call=False),
        "outage": Script((HOUR, 2 * HOUR), (0.4, 1.0), needs_call=True),
        "brown-out": Script((8 * HOUR, 12 * HOUR), (0.08, 0.12), needs_call=True),
        "slow leak": Script((3 * DAY, 4 * DAY), (0.015, 0.025), needs_call=True),
    }
)

Rule = Callable[[Sequence[Misses]], bool]
"""Whether sums up to now are an alarm."""


def _two_windows(limit: float) -> Rule:
    def alarms(samples: Sequence[Misses]) -> bool:
        windows = (timedelta(minutes=5), timedelta(hours=1))
        found = [rate_over(samples, window, OBJECTIVE) for window in windows]
        known = [rate for rate in found if rate is not None]
        return min(known, default=0.0) >= limit

    return alarms


def _pairs(lowest: float, below: float) -> Rule:
    limits = [limit for limit in LIMITS if lowest <= limit.rate < below]

    def alarms(samples: Sequence[Misses]) -> bool:
        return burning(rates(samples, OBJECTIVE), limits) is not None

    return alarms


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "today, warns": _two_windows(6.0),
        "today, fails": _two_windows(14.4),
        "14.4 and 6 over two windows each": _pairs(6.0, math.inf),
        "1 over 3 d and 6 h": _pairs(0.0, 6.0),
    }
)


@dataclass(frozen=True, slots=True)
class BudgetResult:
    """One seed of a script under one rule.

    Attributes:
        delay_minutes: from the fault to the alarm; None where there was none until it ended.
        false_alarms: alarms that began at any other time.
        minutes_after: how long the last alarm went on after the fault.
    """

    delay_minutes: int | None
    false_alarms: int
    minutes_after: int


def sums(script: Script, seed: int) -> tuple[list[Misses], int, int]:
    """Return the sums of each minute, and the first and last minute of the fault."""
    chance = Random(seed)  # noqa: S311 - repeatable chance, not a secret
    usual, miss = chance.uniform(20, 600), chance.uniform(0.0005, 0.004)
    begin = BEFORE + chance.randrange(DAY)
    end = begin + chance.randint(*script.minutes)
    share = chance.uniform(*script.share)
    found, bad, total = [Misses(BEGIN, 0, 0)], 0.0, 0.0
    for minute in range(1, end + LATER):
        is_day = 6 * HOUR < minute % DAY < 23 * HOUR
        work = max(0, round(chance.gauss(usual * (1.0 if is_day else 0.2), usual * 0.1)))
        part = share if begin < minute <= end else miss
        spread = (work * part * (1 - part)) ** 0.5
        total += work
        bad += min(work, max(0, round(chance.gauss(work * part, spread))))
        found.append(Misses(BEGIN + timedelta(minutes=minute), bad, total))
    return found, begin, end


def run(script: Script, seed: int, rule: Rule) -> BudgetResult:
    """Judge a script of a seed at each minute."""
    found, begin, end = sums(script, seed)
    # Before the last day of health nothing differs: it is the history that windows need.
    first = begin - DAY
    alarmed = [rule(found[: minute + 1]) for minute in range(first, len(found))]
    starts = [
        first + place + 1
        for place, (before, now) in enumerate(pairwise(alarmed))
        if now and not before
    ]
    heard = [at - begin for at in starts if begin < at <= end]
    after = next((n for n, is_on in enumerate(alarmed[end - first :]) if not is_on), LATER)
    return BudgetResult(min(heard, default=None), len(starts) - len(heard), after)


def compare(seeds: Iterable[int]) -> str:
    """Return the table of all scripts and rules."""
    seeds = tuple(seeds)
    columns = ("misses", "rule", "found", "delay, min: median (range)", "false", "ends after, min")
    return table(
        columns,
        (
            [name, rule, *_cells(script, [run(script, seed, RULES[rule]) for seed in seeds])]
            for name, script in SCRIPTS.items()
            for rule in RULES
        ),
    )


def _cells(script: Script, results: Sequence[BudgetResult]) -> Iterator[str]:
    delays = [each.delay_minutes for each in results if each.delay_minutes is not None]
    false = sum(each.false_alarms for each in results)
    if script.needs_call:
        yield f"{len(delays)} of {len(results)}"
        words = f"{median(delays):.0f} ({min(delays)} to {max(delays)})" if delays else "–"
        yield words
        yield str(false)
        yield f"{median(each.minutes_after for each in results):.0f}" if delays else "–"
    else:
        yield "–"
        yield "–"
        yield str(false + len(delays))
        yield "–"
