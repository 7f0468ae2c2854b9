"""The spread of a provider's credits over time: polls where prices move, within limits.

A change waits for half an interval on average. For a number of polls, the mean wait of all changes
is least if polls are as dense as the square root of the rate of changes: the derivative of
Σ duration · rate / density with respect to a density is −duration · rate / density². Limits of the
interval are met exactly: where the root lies beyond a limit, the limit holds, and the other
stretches share the rest (water-filling).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from streaming.core.durations import spoken
from streaming.core.poll_forecast import Stretch

HOUR_SECONDS = 3_600.0


@dataclass(frozen=True, slots=True)
class Terms:
    """A provider's allowance and the limits of its polls.

    Attributes:
        credits_left: until the renewal.
        poll_cost: credits that one poll costs, above 0.
        renewal_seconds: until the allowance is renewed, above 0.
        floor_seconds: the shortest interval, above 0.
        ceiling_seconds: the longest interval, not below the floor, as long as the credits suffice
            for it.
    """

    credits_left: float
    poll_cost: float
    renewal_seconds: float
    floor_seconds: float
    ceiling_seconds: float

    @property
    def polls(self) -> int:
        """The number of whole polls that the credits pay for."""
        return max(math.floor(self.credits_left / self.poll_cost), 0)


@dataclass(frozen=True, slots=True)
class NextPoll:
    """A decision about the next poll.

    Attributes:
        seconds: from now, or rather from the last poll, until it.
        reason: why then, as a clause after "because".
    """

    seconds: float
    reason: str

    def __str__(self) -> str:
        return f"next poll in {spoken(self.seconds)} because {self.reason}"


def densities(stretches: Sequence[Stretch], polls: float, least: float, most: float) -> list[float]:
    """Return the polls a second in each stretch that make the mean wait of all changes least.

    Args:
        stretches: the times to spread the polls over.
        polls: their number; more than the least density needs, or that is kept all the same.
        least: polls a second, above 0.
        most: polls a second, not below the least.

    Returns:
        One density for each stretch. Together they make up the polls, unless a limit forbids it
        everywhere; a stretch without changes has the least.

    >>> hours = [Stretch(3_600, 1.0), Stretch(3_600, 4.0)]
    >>> [round(density * 3_600, 6) for density in densities(hours, 30, 1e-4, 1.0)]
    [10.0, 20.0]
    >>> [round(density * 3_600, 6) for density in densities(hours, 30, 1e-4, 18 / 3_600)]
    [12.0, 18.0]
    """
    roots = [math.sqrt(stretch.rate) for stretch in stretches]
    level = _level(stretches, roots, polls, least, most)
    return [min(max(root * level, least), most) for root in roots]


def _level(
    stretches: Sequence[Stretch], roots: Sequence[float], polls: float, least: float, most: float
) -> float:
    """Return the factor of the roots at which the clamped densities make up the polls.

    Their sum rises with the factor, in straight pieces: a stretch leaves the least density at one
    factor and reaches the most at another.
    """
    bends = sorted(
        bend
        for stretch, root in zip(stretches, roots, strict=True)
        if root > 0
        for bend in (
            (least / root, root * stretch.seconds),
            (most / root, -root * stretch.seconds),
        )
    )
    level, slope = 0.0, 0.0
    rest = polls - least * sum(stretch.seconds for stretch in stretches)
    for bend, steeper in bends:
        if rest <= slope * (bend - level):
            break
        rest -= slope * (bend - level)
        level, slope = bend, slope + steeper
    else:
        return level
    return level + max(rest, 0.0) / slope if slope > 0 else level


def next_poll(terms: Terms, stretches: Sequence[Stretch]) -> NextPoll:
    """Return when to poll next, and why.

    As long as each decision is followed, the credits are never overdrawn, and no interval is longer
    than the ceiling or, where the credits do not suffice for it, than even polls until the renewal.
    For the polls left suffice for the longest interval L: polls ≥ renewal / L. A decision spends
    only what exceeds that, polls − renewal / L, beyond one poll for each L; so after a poll at s,
    polls − 1 ≥ (renewal − s) / L, and the polls left suffice again, independent of the forecast.

    Args:
        terms: the allowance and the limits.
        stretches: the changes expected from now on, at least one stretch; what lies beyond them
            until the renewal keeps its even share of the credits.

    >>> week = Terms(1_008, 1, 7 * 86_400, 30, 3_600)
    >>> print(next_poll(week, [Stretch(3_600, 0.04), Stretch(82_800, 0.0001)]))
    next poll in 54 s because 144 changes an hour are expected now, 6.34 in the mean of 1 d; 1,008
    credits have to last 7 d
    >>> print(next_poll(week, [Stretch(3_600, 0.0), Stretch(82_800, 0.01)]))
    next poll in 1 h because 0 changes an hour are expected now, 34.5 in the mean of 1 d; 1 h is the
    longest interval
    >>> print(next_poll(Terms(3, 4, 600, 30, 3_600), [Stretch(600, 1.0)]))
    next poll in 10 min because the credits left, 3, do not pay for a poll before they are renewed
    """
    polls = terms.polls
    if not polls:
        words = f"the credits left, {terms.credits_left:,g}, do not pay for a poll"
        seconds = max(terms.renewal_seconds, terms.floor_seconds)
        return NextPoll(seconds, f"{words} before they are renewed")
    even = terms.renewal_seconds / polls
    longest = max(terms.ceiling_seconds, even, terms.floor_seconds)
    wanted = _first_poll(terms, stretches, even, longest)
    seconds = min(max(wanted, terms.floor_seconds), longest)
    return NextPoll(seconds, f"{_rates(stretches)}; {_limit(terms, seconds, longest)}")


def _first_poll(terms: Terms, stretches: Sequence[Stretch], even: float, longest: float) -> float:
    """Return the time at which the polls of the best spread come to one."""
    horizon = min(sum(stretch.seconds for stretch in stretches), terms.renewal_seconds)
    within, left = list[Stretch](), horizon
    for stretch in stretches:
        if left <= 0:
            break
        within.append(Stretch(min(stretch.seconds, left), stretch.rate))
        left -= stretch.seconds
    found = densities(within, horizon / even, 1 / longest, 1 / terms.floor_seconds)
    begin, still = 0.0, 1.0
    for stretch, density in zip(within, found, strict=True):
        if density * stretch.seconds >= still:
            return begin + still / density
        begin, still = begin + stretch.seconds, still - density * stretch.seconds
    return begin + still * even


def _rates(stretches: Sequence[Stretch]) -> str:
    seconds = sum(stretch.seconds for stretch in stretches)
    mean = sum(stretch.seconds * stretch.rate for stretch in stretches) / seconds
    now, later = (f"{rate * HOUR_SECONDS:,.3g}" for rate in (stretches[0].rate, mean))
    return f"{now} changes an hour are expected now, {later} in the mean of {spoken(seconds)}"


def _limit(terms: Terms, seconds: float, longest: float) -> str:
    """Return the limit that decides: the floor, the ceiling or the credits."""
    if seconds <= terms.floor_seconds:
        return f"{spoken(seconds)} is the shortest interval"
    credits_left = f"{terms.credits_left:,g} credits have to last {spoken(terms.renewal_seconds)}"
    if seconds < longest or longest > terms.ceiling_seconds:
        return credits_left
    return f"{spoken(longest)} is the longest interval"
