"""When to poll: at even intervals, or where changes are expected.

A policy sees only what polls show: the events listed, and those that have changed since the last
poll. It never reads a time of change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from streaming.benchmark.polling.schedule import DAY_SECONDS, Fixture, Schedule, Times
from streaming.core.poll_allocation import Terms, next_poll
from streaming.core.poll_forecast import Stretch, forecast
from streaming.core.poll_rates import UNSEEN, USUAL_RATES, Seen, band_of, rates
from streaming.core.poll_saving import SavingPolicy, after_poll, limits_of, next_interval


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
    watched, times = _Watched(schedule, of), list[float]()
    while len(times) < polls:
        left = schedule.seconds - watched.now
        terms = Terms(polls - len(times), 1, left, of.floor_seconds, ceiling)
        now = watched.now + next_poll(terms, watched.forecast(watched.rates)).seconds
        if now > schedule.seconds * (1 + 1e-9):
            break
        times.append(min(now, schedule.seconds))
        if now >= schedule.seconds:
            break
        watched.poll(now)
    return np.array(times)


def saving(
    schedule: Schedule,
    polls: int,
    constants: Constants | None = None,
    policy: SavingPolicy | None = None,
) -> Times:
    """Return the polls of the product's own policy: those before their even time were saved."""
    of, by = constants or Constants(), policy or SavingPolicy()
    even = schedule.seconds / polls
    limits = limits_of(by, even, np.inf, 0.0)
    watched, times, saved = _Watched(schedule, of), list[float](), 0.0
    while True:
        expected = watched.forecast(by.weighted(watched.rates))
        seconds = next_interval(by, saved, limits, expected).seconds
        now = watched.now + seconds
        if now > schedule.seconds:
            return np.array(times)
        times.append(now)
        saved = after_poll(by, saved, limits, seconds, seconds)
        watched.poll(now)


class _Watched:
    """A schedule as its polls show it.

    Attributes:
        now: the time of the last poll.
        rates: of each band, as far as learnt.
    """

    def __init__(self, schedule: Schedule, constants: Constants) -> None:
        self.now = 0.0
        self.rates: Sequence[float] = constants.usual
        self._schedule, self._constants = schedule, constants
        self._seen: list[Seen] = [*UNSEEN]
        self._listed = list[Fixture]()
        self._polls, self._estimated_at = 0, 0.0

    def forecast(self, found: Sequence[float]) -> list[Stretch]:
        starts = [fixture.start - self.now for fixture in self._listed]
        return forecast(starts, found, self._constants.horizon_seconds)

    def poll(self, now: float) -> None:
        """Learn what a poll shows."""
        last, self.now = self.now, now
        counts = dict[int, list[int]]()
        for fixture in self._listed:
            if fixture.ended_at <= now:
                continue
            band = band_of(fixture.start - (last + now) / 2)
            first, after = np.searchsorted(fixture.changes, (last, now), side="right")
            counts.setdefault(band, [0, 0])[int(after > first)] += 1
        for band, (unchanged, changed) in counts.items():
            self._seen[band] = self._seen[band].with_poll(now - last, changed, unchanged)
        fixtures = self._schedule.fixtures
        self._listed = [each for each in fixtures if each.listed_at <= now < each.ended_at]
        self._polls += 1
        of = self._constants
        if of.is_learning and self._polls % of.polls_per_estimate == 0:
            kept = 0.5 ** ((now - self._estimated_at) / of.half_life_seconds)
            self._seen, self._estimated_at = [each.kept(kept) for each in self._seen], now
            self.rates = rates(self._seen, of.usual)
