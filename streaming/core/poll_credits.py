"""The limits that a provider's credits set to adaptive polls, and to the number of those saved.

Even polls are those of a provider that had saved none: credits saved must not make them more
frequent as well. The paced interval is that of all credits: neither `streaming.polling.pacing` nor
the silence after which prices are quarantined knows of savings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime

from streaming.core.poll_saving import Limits, SavingPolicy, limits_of
from streaming.core.quota import Allowance, affordable_interval
from streaming.core.staleness import PACED_TRUST


@dataclass(frozen=True, slots=True)
class Pace:
    """The settings of a provider's polls.

    Attributes:
        usual_seconds: between two polls while credits suffice, above 0.
        slowest_seconds: the longest even interval, however few credits are left; a usual one that
            is longer is kept.
        shortest_seconds: between any two polls.
        stale_after_seconds: the silence after which prices are quarantined at the usual interval.
        trust_cap_seconds: no longer silence is learnt to be usual.
    """

    usual_seconds: float
    slowest_seconds: float
    shortest_seconds: float
    stale_after_seconds: float
    trust_cap_seconds: float

    def interval(self, allowance: Allowance, now: datetime) -> float:
        """Return the even interval at which an allowance lasts."""
        return affordable_interval(self.usual_seconds, self.slowest_seconds, allowance, now)

    def trusted_seconds(self, paced_seconds: float) -> float:
        """Return the silence after which prices are quarantined at a paced interval.

        >>> Pace(30, 3_600, 1, 120, 900).trusted_seconds(30)
        120
        >>> Pace(30, 3_600, 1, 120, 900).trusted_seconds(200)
        300.0
        >>> Pace(30, 3_600, 1, 120, 900).trusted_seconds(850)
        900
        """
        if paced_seconds <= self.usual_seconds:
            return self.stale_after_seconds
        learnt = min(PACED_TRUST * paced_seconds, self.trust_cap_seconds)
        return max(self.stale_after_seconds, learnt)


def most_saved(pace: Pace, allowance: Allowance, now: datetime) -> float:
    """Return the most polls that can have been saved: all but those at the slowest interval.

    Others spend credits too: scores, and a second user of the key. Nothing is saved any longer of
    credits without which the rest does not pay for the slowest interval until the renewal.

    >>> noon = datetime(2026, 11, 29, 12)
    >>> half = Allowance(300, 1, datetime(2026, 12, 1, 12))
    >>> most_saved(Pace(30, 900, 1, 120, 900), half, noon)
    108.0
    >>> most_saved(Pace(30, 900, 1, 120, 900), Allowance(), noon)
    inf
    """
    remaining, cost, resets_at = allowance.remaining, allowance.poll_cost, allowance.resets_at
    if remaining is None or not cost or resets_at is None or resets_at <= now:
        return math.inf
    slowest = max(pace.slowest_seconds, pace.usual_seconds)
    return max(remaining / cost - (resets_at - now).total_seconds() / slowest, 0.0)


def limits_by(
    policy: SavingPolicy, pace: Pace, allowance: Allowance, saved: float, now: datetime
) -> Limits:
    """Return the limits of a provider's next interval.

    Args:
        policy: the constants.
        pace: the provider's settings.
        allowance: what is left, with what was saved.
        saved: the polls saved, at least 0.
        now: the time.
    """
    paced = pace.interval(allowance, now)
    if allowance.remaining is not None:
        unsaved = allowance.remaining - saved * (allowance.poll_cost or 0)
        allowance = replace(allowance, remaining=unsaved)
    even = pace.interval(allowance, now)
    return limits_of(policy, even, pace.trusted_seconds(paced), pace.shortest_seconds, paced)
