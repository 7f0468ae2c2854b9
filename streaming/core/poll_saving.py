"""Polls that are saved while little is expected, and made where more is.

At any moment the polls made cost no more than those at even intervals would have: a poll before its
even time is paid for by earlier ones that were left out. So nothing is borrowed from a future that
may bring an outage, and where nothing has been saved, polls are even.

The spread over the time to come is that of `streaming.core.poll_allocation`, of the polls saved and
the even ones, less a reserve: it is saved up first, and busy hours draw on it. Changes far from
their start weigh more, so that what is saved does not come from them: see ADR 70.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from streaming.core.poll_allocation import Terms, next_poll
from streaming.core.poll_forecast import Stretch

HOUR_SECONDS = 3_600.0
DAY_SECONDS = 86_400.0

AdaptiveMode = Literal["off", "shadow", "on"]
"""Whether adaptive polls are not planned, planned and shown, or also made."""

Bound = Literal["", "floor", "ceiling", "saved"]
"""The limit that decided an interval; empty if none did."""


@dataclass(frozen=True, slots=True)
class SavingPolicy:
    """The constants of adaptive polls, chosen on other seeds than those that judge them: ADR 70.

    Attributes:
        horizon_seconds: the time that polls are spread over.
        reserve_seconds: even polls of so long a time are saved up before any is given away.
        most_saved_seconds: even polls of a longer time are not saved.
        floor_fraction: the shortest interval, of an even one.
        ceiling_factor: the longest interval, in even ones.
        trusted_fraction: the part of the silence after which prices are quarantined that no
            interval exceeds, unless all credits do not pay for it.
        weights: the weight of a change in each band of time to the start.
    """

    horizon_seconds: float = 2 * DAY_SECONDS
    reserve_seconds: float = 0.5 * DAY_SECONDS
    most_saved_seconds: float = 2 * DAY_SECONDS
    floor_fraction: float = 0.25
    ceiling_factor: float = 1.5
    trusted_fraction: float = 0.8
    weights: tuple[float, ...] = (1, 1, 1, 1, 1, 2, 4, 4)

    def weighted(self, rates: Sequence[float]) -> tuple[float, ...]:
        """Return rates of each band as the spread counts them."""
        return tuple(weight * rate for weight, rate in zip(self.weights, rates, strict=True))


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a provider's intervals.

    Attributes:
        even_seconds: between even polls, above 0.
        floor_seconds: the shortest interval, above 0.
        ceiling_seconds: the longest; below the even one only where saved polls pay for that.
    """

    even_seconds: float
    floor_seconds: float
    ceiling_seconds: float


@dataclass(frozen=True, slots=True)
class Interval:
    """A decision about the next poll.

    Attributes:
        seconds: after the last one.
        bound: the limit that decided it.
    """

    seconds: float
    bound: Bound = ""


def limits_of(
    policy: SavingPolicy,
    even_seconds: float,
    trusted_seconds: float,
    shortest_seconds: float,
    paced_seconds: float | None = None,
) -> Limits:
    """Return the limits of a provider's intervals.

    Args:
        policy: the constants.
        even_seconds: between even polls, as its credits allow without those saved.
        trusted_seconds: the silence after which its prices are quarantined.
        shortest_seconds: between any two polls.
        paced_seconds: between polls that spend those saved as well, at most the even interval; None
            where it is the same.

    >>> limits_of(SavingPolicy(), 30, 120, 1)
    Limits(even_seconds=30, floor_seconds=7.5, ceiling_seconds=45.0)
    >>> limits_of(SavingPolicy(), 300, 375, 1)
    Limits(even_seconds=300, floor_seconds=75.0, ceiling_seconds=300.0)
    >>> limits_of(SavingPolicy(), 300, 300, 1, paced_seconds=200)
    Limits(even_seconds=300, floor_seconds=75.0, ceiling_seconds=240.0)
    """
    paced = even_seconds if paced_seconds is None else paced_seconds
    trusted = policy.trusted_fraction * trusted_seconds
    ceiling = max(min(policy.ceiling_factor * even_seconds, trusted), paced)
    floor = min(max(policy.floor_fraction * even_seconds, shortest_seconds), even_seconds)
    return Limits(even_seconds, min(floor, ceiling), ceiling)


def after_poll(
    policy: SavingPolicy, saved: float, limits: Limits, planned_seconds: float, since_seconds: float
) -> float:
    """Return the polls saved after one more.

    A poll that comes late earns no more than it was planned to: even ones would have been late too.
    One that comes early was not planned, and costs nothing that was saved.

    Args:
        policy: the constants.
        saved: the polls saved before, at least 0.
        limits: of the interval before the poll.
        planned_seconds: the interval that was decided.
        since_seconds: the time since the last poll.

    >>> limits = Limits(30.0, 7.5, 45.0)
    >>> after_poll(SavingPolicy(), 1.0, limits, 45.0, 45.0)
    1.5
    >>> after_poll(SavingPolicy(), 1.0, limits, 45.0, 600.0)
    1.5
    >>> after_poll(SavingPolicy(), 0.0, limits, 45.0, 3.0)
    0.0
    """
    earned = max(min(planned_seconds, since_seconds), 0.0) / limits.even_seconds
    return max(min(saved + earned, _most(policy, limits)) - 1.0, 0.0)


def next_interval(
    policy: SavingPolicy, saved: float, limits: Limits, stretches: Sequence[Stretch]
) -> Interval:
    """Return when to poll next.

    Args:
        policy: the constants.
        saved: the polls saved, at least 0.
        limits: of the interval.
        stretches: the changes expected from now on, at least one stretch.

    >>> limits, busy = Limits(30.0, 7.5, 45.0), [Stretch(600.0, 1.0), Stretch(172_200.0, 0.001)]
    >>> next_interval(SavingPolicy(), 0.0, limits, busy)
    Interval(seconds=30.0, bound='saved')
    >>> next_interval(SavingPolicy(), 2_000.0, limits, busy)
    Interval(seconds=7.5, bound='floor')
    >>> next_interval(SavingPolicy(), 0.0, limits, [Stretch(172_800.0, 0.0)])
    Interval(seconds=45.0, bound='ceiling')
    """
    even = limits.even_seconds
    horizon = max(policy.horizon_seconds, even)
    polls = max(horizon / even + saved - policy.reserve_seconds / even, 1.0)
    terms = Terms(polls, 1.0, horizon, limits.floor_seconds, limits.ceiling_seconds)
    wanted = next_poll(terms, stretches).seconds
    payable = max(1.0 - saved, 0.0) * even
    if wanted < payable and payable > limits.floor_seconds:
        return Interval(min(payable, limits.ceiling_seconds), "saved")
    if wanted >= limits.ceiling_seconds:
        return Interval(limits.ceiling_seconds, "ceiling")
    return Interval(wanted, "floor" if wanted <= limits.floor_seconds else "")


def _most(policy: SavingPolicy, limits: Limits) -> float:
    return max(policy.most_saved_seconds / limits.even_seconds, 1.0) + 1.0
