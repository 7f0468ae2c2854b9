"""When to poll: at even intervals, or where changes are expected.

A policy sees only what polls show: the events listed, and those that have changed since the last
poll. It never reads a time of change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from streaming.benchmark.polling.schedule import DAY_SECONDS, Fixture, Schedule, Times
from streaming.core.poll_allocation import Terms, next_poll
from streaming.core.poll_forecast import Stretch, forecast
from streaming.core.poll_rates import UNSEEN, USUAL_RATES, band_of, rates


@dataclass(frozen=True, slots=True)
class Constants:
    """The parameters of the adaptive policy.

    Attributes:
        floor_seconds: the shortest interval.
        ceiling_factor: the longest interval, in even intervals.
        horizon_seconds: the length of the forecast.
        half_life_seconds: the time after which a poll counts half.
        polls_per_estimate: the number of polls after which rates are estimated again.
        is_learning: whether rates are learnt at all, or stay those usually assumed.
        usual: the rates assumed before any poll.
    """

    floor_seconds: float = 10.0
    ceiling_factor: float = 4.0
    horizon_seconds: float = 2 * DAY_SECONDS
    half_life_seconds: float = 28 * DAY_SECONDS
    polls_per_estimate: int = 20
    is_learning: bool = True
    usual: tuple[float, ...] = USUAL_RATES


class Policy(Protocol):
    """A way to spread polls over a schedule."""

    def __call__(self, schedule: Schedule, polls: int) -> Times:
        """Return the times of at most so many polls."""
        ...


def fixed(schedule: Schedule, polls: int) -> Times:
    """Return polls at even intervals, the last at the end."""
    return np.linspace(0, schedule.seconds, polls + 1)[1:]


def adaptive(schedule: Schedule, polls: int, constants: Constants | None = None) -> Times:
    """Return polls where changes are expected by what the polls before them showed."""
    of = constants or Constants()
    even = schedule.seconds / polls
    ceiling = max(of.ceiling_factor * even, of.floor_seconds)
    seen, found = [*UNSEEN], of.usual
    listed, now, estimated_at = list[Fixture](), 0.0, 0.0
    times = list[float]()
    while len(times) < polls:
        terms = Terms(polls - len(times), 1, schedule.seconds - now, of.floor_seconds, ceiling)
        starts = [fixture.start - now for fixture in listed]
        expected: list[Stretch] = forecast(starts, found, of.horizon_seconds)
        last, now = now, now + next_poll(terms, expected).seconds
        if now > schedule.seconds * (1 + 1e-9):
            break
        times.append(min(now, schedule.seconds))
        if now >= schedule.seconds:
            break
        counts = dict[int, list[int]]()
        still = [fixture for fixture in listed if fixture.ended_at > now]
        for fixture in still:
            band = band_of(fixture.start - (last + now) / 2)
            first, after = np.searchsorted(fixture.changes, (last, now), side="right")
            counts.setdefault(band, [0, 0])[int(after > first)] += 1
        for band, (unchanged, changed) in counts.items():
            seen[band] = seen[band].with_poll(now - last, changed, unchanged)
        listed = [each for each in schedule.fixtures if each.listed_at <= now < each.ended_at]
        if of.is_learning and len(times) % of.polls_per_estimate == 0:
            kept = 0.5 ** ((now - estimated_at) / of.half_life_seconds)
            seen, estimated_at = [each.kept(kept) for each in seen], now
            found = rates(seen, of.usual)
    return np.array(times)
