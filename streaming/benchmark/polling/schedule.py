"""Fixtures of a feed and the times at which they change, made from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]
"""Seconds since the schedule's begin, ascending."""

HOUR_SECONDS = 3_600.0
DAY_SECONDS = 86_400.0
WEEK_SECONDS = 7 * DAY_SECONDS
WEEKS = 3

NEAREST_HOURS, FARTHEST_HOURS = 0.25, 72.0
"""Between these times to the start the rate rises, evenly on a logarithmic scale."""

FLAT_SHARE = 0.2
"""The part of the seeds whose rate does not rise: there nothing is to be gained."""

_SLOTS_HOURS = (43.0, 67.0, 91.0, 115.0, 132.0, 135.0, 138.0, 157.0, 160.0)
"""Kick-offs of a week: four evenings, and a weekend."""


@dataclass(frozen=True, slots=True)
class Fixture:
    """An event as a feed lists it.

    Attributes:
        listed_at: when the feed begins to list it.
        start: its announced start.
        ended_at: when the feed ceases to list it.
        changes: the times at which one of its prices changes.
    """

    listed_at: float
    start: float
    ended_at: float
    changes: Times


@dataclass(frozen=True, slots=True)
class Schedule:
    """All that a feed lists in a time.

    Attributes:
        name: the seed or the recording.
        seconds: its length.
        fixtures: in any order.
    """

    name: str
    seconds: float
    fixtures: Sequence[Fixture]


def simulated(seed: int) -> Schedule:
    """Return three weeks of a feed, whose rate of changes rises towards each start.

    A seed draws the feed's level (0.05 to 0.5 changes an hour of a fixture far from its start), its
    rise (up to 60-fold; none for a fifth of the seeds) and its rate in play (up to fourfold that at
    the start). Each fixture differs from the feed's rate, and three changes of ten draw another
    within minutes.
    """
    chance = np.random.default_rng(seed)
    level = np.exp(chance.uniform(np.log(0.05), np.log(0.5))) / HOUR_SECONDS
    is_flat = chance.random() < FLAT_SHARE
    rise = 1.0 if is_flat else float(np.exp(chance.uniform(np.log(4.0), np.log(60.0))))
    in_play = 1.0 if is_flat else float(chance.uniform(1.0, 4.0))
    fixtures = []
    for week in range(WEEKS):
        for slot in chance.choice(_SLOTS_HOURS, size=chance.integers(8, 15)):
            start = week * WEEK_SECONDS + slot * HOUR_SECONDS
            listed_at = max(start - chance.uniform(3, 6) * DAY_SECONDS, 0.0)
            ended_at = start + chance.uniform(1.7, 2.2) * HOUR_SECONDS
            own = level * chance.gamma(2.0, 0.5)
            changes = _changes(chance, (listed_at, start, ended_at), own, rise, in_play)
            fixtures.append(Fixture(listed_at, float(start), float(ended_at), changes))
    return Schedule(f"seed {seed}", WEEKS * WEEK_SECONDS, fixtures)


def _changes(
    chance: np.random.Generator,
    times: tuple[float, float, float],
    level: float,
    rise: float,
    in_play: float,
) -> Times:
    """Return the changes of one fixture: Poisson at a rate that rises, with echoes."""
    listed_at, start, ended_at = times
    most = level * rise * in_play
    drawn = chance.uniform(listed_at, ended_at, chance.poisson(most * (ended_at - listed_at)))
    hours = np.clip((start - drawn) / HOUR_SECONDS, NEAREST_HOURS, FARTHEST_HOURS)
    nearness = 1 - np.log(hours / NEAREST_HOURS) / np.log(FARTHEST_HOURS / NEAREST_HOURS)
    rates = np.where(drawn > start, most, level * rise**nearness)
    first = drawn[chance.random(drawn.size) * most < rates]
    echoes = first[chance.random(first.size) < 0.3]
    later = np.concatenate([first, echoes + chance.exponential(60.0, echoes.size)])
    return np.sort(later[later < ended_at])
