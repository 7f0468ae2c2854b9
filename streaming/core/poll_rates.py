"""Rates at which a feed's events change, by time to their start, learnt from its own polls.

A poll shows that an event has changed since the last one, not how often. Dividing changes seen by
time is biased low; the estimate here is the maximum of the likelihood for irregular intervals, kept
finite by a weak prior. Sources: J. Cho and H. Garcia-Molina, "Estimating frequency of change", ACM
TOIT 3(3), 2003 (the bias, irregular intervals); K. Avrachenkov, K. Patil and G. Thoppe, "Change
rate estimation and optimal freshness in web page crawling", VALUETOOLS 2020 (learning by polls).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

HOUR_SECONDS = 3_600.0

BAND_ENDS_SECONDS: tuple[float, ...] = tuple(
    hours * HOUR_SECONDS for hours in (0, 0.25, 1, 3, 8, 24, 72)
)
"""Band i holds times to the start above end i − 1 and not above end i; the first is in play, and
one more holds the rest."""

BANDS = len(BAND_ENDS_SECONDS) + 1

USUAL_RATES: tuple[float, ...] = tuple(
    changes / HOUR_SECONDS for changes in (20, 8, 5.5, 4, 2.6, 1.8, 1, 0.6)
)
"""Changes a second of an event in each band, assumed before any are seen: their proportions are the
shape that bands without polls keep."""

LEVEL_CHANGES = 0.5
"""The number of changes that the assumed level of all bands counts for."""

BAND_CHANGES = 30.0
"""The number of changes that a band's share of the level counts for."""

_BUCKETS_PER_DOUBLING = 2
BUCKETS = 40
"""Up to 2²⁰ s, 12 days: longer intervals are rare and share the last bucket."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The polls of one band, as far as its rate depends on them.

    Attributes:
        unchanged_seconds: the sum of the intervals after which an event had not changed.
        changed: the number of intervals after which one had, by their length, (BUCKETS,).
        changed_seconds: the sum of these intervals, (BUCKETS,).
    """

    unchanged_seconds: float = 0.0
    changed: tuple[float, ...] = (0.0,) * BUCKETS
    changed_seconds: tuple[float, ...] = (0.0,) * BUCKETS

    def kept(self, share: float) -> Seen:
        """Return the polls with their weight reduced to a share of it, 0 to 1."""
        return Seen(
            self.unchanged_seconds * share,
            tuple(count * share for count in self.changed),
            tuple(seconds * share for seconds in self.changed_seconds),
        )

    def with_poll(self, interval_seconds: float, changed: int, unchanged: int) -> Seen:
        """Return the polls with one more.

        Args:
            interval_seconds: since the last poll, above 0.
            changed: events of this band that have changed since.
            unchanged: events of this band that have not.

        >>> seen = Seen().with_poll(60.0, changed=1, unchanged=3)
        >>> seen.unchanged_seconds, sum(seen.changed), sum(seen.changed_seconds)
        (180.0, 1.0, 60.0)
        """
        still = self.unchanged_seconds + unchanged * interval_seconds
        if not changed:
            return Seen(still, self.changed, self.changed_seconds)
        doublings = math.log2(max(interval_seconds, 1.0))
        bucket = min(int(doublings * _BUCKETS_PER_DOUBLING), BUCKETS - 1)
        counts, seconds = [*self.changed], [*self.changed_seconds]
        counts[bucket] += changed
        seconds[bucket] += changed * interval_seconds
        return Seen(still, tuple(counts), tuple(seconds))


UNSEEN: tuple[Seen, ...] = (Seen(),) * BANDS


def band_of(seconds_to_start: float) -> int:
    """Return the index of a time's band.

    >>> band_of(-60.0), band_of(600.0), band_of(30 * 3600.0), band_of(1e9)
    (0, 1, 6, 7)
    """
    return bisect_left(BAND_ENDS_SECONDS, seconds_to_start)


def rate(seen: Seen, prior_rate: float, prior_changes: float) -> float:
    """Return the most probable rate of changes, a second.

    With Poisson changes at the rate λ, an interval τ shows one with 1 − exp(−λτ). The maximum of
    the likelihood times a Gamma prior of log λ solves

        a + Σ_changed λτ/(exp(λτ) − 1) = λ · (a / prior_rate + Σ_unchanged τ),

    whose left side falls and whose right side rises, so that there is one solution.

    Args:
        seen: the polls.
        prior_rate: the rate assumed without any, above 0.
        prior_changes: a, the number of changes that the assumption counts for, above 0.

    >>> seen = Seen().with_poll(60.0, changed=50, unchanged=50)
    >>> round(rate(seen, 1 / 60, 1e-9) * 60, 4) == round(math.log(2), 4)
    True
    >>> rate(Seen(), 0.25, 2.0)
    0.25
    """
    counts = [
        (count, seconds / count)
        for count, seconds in zip(seen.changed, seen.changed_seconds, strict=True)
        if count > 0
    ]
    time = prior_changes / prior_rate + seen.unchanged_seconds

    def excess(of: float) -> float:
        found = sum(count * _seen_share(of * interval) for count, interval in counts)
        return prior_changes + found - of * time

    # λτ/(exp(λτ) − 1) lies between 0 and 1.
    low = prior_changes / time
    return _root(excess, low, low * (1 + sum(seen.changed) / prior_changes))


def rates(
    seen: Sequence[Seen],
    usual: Sequence[float] = USUAL_RATES,
    level_changes: float = LEVEL_CHANGES,
    band_changes: float = BAND_CHANGES,
) -> tuple[float, ...]:
    """Return the rate of an event in each band, changes a second.

    All bands together tell how much more changes than usual; a band is then taken for its usual
    rate at that level until it has shown another.

    Args:
        seen: the polls of each band, (BANDS,).
        usual: the rates assumed before any poll, (BANDS,).
        level_changes: the number of changes that the usual level counts for.
        band_changes: the number that a band's rate at the level found counts for.

    >>> rates(UNSEEN) == USUAL_RATES
    True
    >>> busy = Seen().with_poll(600.0, changed=200, unchanged=200)
    >>> found = rates((*UNSEEN[:-1], busy))
    >>> round(found[0] / USUAL_RATES[0]), round(found[-1] / USUAL_RATES[-1], 1)
    (7, 6.9)
    """
    pooled = _pooled(seen, usual)
    level = rate(pooled, 1.0, level_changes)
    return tuple(rate(each, level * of, band_changes) for each, of in zip(seen, usual, strict=True))


def _pooled(seen: Sequence[Seen], usual: Sequence[float]) -> Seen:
    """Return all bands' polls, with intervals in changes usual in their band instead of seconds."""
    return Seen(
        sum(each.unchanged_seconds * of for each, of in zip(seen, usual, strict=True)),
        tuple(count for each in seen for count in each.changed),
        tuple(
            seconds * of
            for each, of in zip(seen, usual, strict=True)
            for seconds in each.changed_seconds
        ),
    )


def _seen_share(changes: float) -> float:
    """Return x/(exp(x) − 1), which is 1 at 0.

    >>> _seen_share(0.0), _seen_share(1e4), round(_seen_share(1.0), 3)
    (1.0, 0.0, 0.582)
    """
    if changes < 1e-12:
        return 1.0
    return changes / math.expm1(changes) if changes < 700 else 0.0


def _root(excess: Callable[[float], float], low: float, high: float) -> float:
    """Return the zero of a falling function between two positive numbers, to 1 part in 10⁹."""
    while high > low * (1 + 1e-9):
        middle = math.sqrt(low * high)
        if not low < middle < high:
            break
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return low
