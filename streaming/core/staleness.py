"""Limits on how long a bookmaker may go unconfirmed, learnt from its own gaps.

Feeds confirm some bookmakers every few seconds and others every ten minutes. Each bookmaker's
completed gaps between confirmations are counted in a histogram; its limit is their 99th
percentile, within a floor and a cap. A gap that has not ended yet is not counted, so a bookmaker
that dies does not raise its own limit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta as Setting

BUCKETS = 32
GROWTH = 2 ** (1 / 3)
"""Bucket i holds gaps up to GROWTH^(i + 1) seconds: learnt to within 26 %, up to 27 minutes."""

MAX_COUNT = 1_000
"""Beyond this many gaps all counts are halved, so that the limit follows recent gaps."""

PACED_TRUST = 1.5
"""Prices of a provider that is slowed down are trusted for so many of its paced intervals."""


@dataclass(frozen=True, slots=True)
class StalenessPolicy:
    """The bounds of a learnt limit.

    Attributes:
        quantile: the part of a bookmaker's gaps that must fit into its limit.
        cap_seconds: no limit is learnt beyond this, unless a provider's own floor is.
        takeover_seconds: of two providers that relay one bookmaker and disagree, the one that has
            looked this much later wins; never less than 1.5 of the time between its own looks.
    """

    quantile: float = 0.99
    cap_seconds: Annotated[float, Setting(ge=1, le=1_600, extra={"live": True})] = 900.0
    takeover_seconds: float = 30.0


def with_gap(gaps: Sequence[int], seconds: float) -> list[int]:
    """Return the histogram with one more completed gap.

    Args:
        gaps: counts by bucket, empty or of length `BUCKETS`.
        seconds: from one confirmation to the next.

    >>> sum(with_gap([], 45.0)), with_gap([], 45.0).index(1)
    (1, 16)
    """
    counts = list(gaps) or [0] * BUCKETS
    if sum(counts) >= MAX_COUNT:
        counts = [count // 2 for count in counts]
    bucket = math.ceil(math.log(max(seconds, 1.0), GROWTH) - 1e-9) - 1
    counts[min(max(bucket, 0), BUCKETS - 1)] += 1
    return counts


def limit_seconds(gaps: Sequence[int], floor_seconds: float, policy: StalenessPolicy) -> float:
    """Return how long a bookmaker with these gaps may go unconfirmed, in seconds.

    Args:
        gaps: counts by bucket, as `with_gap` makes them; empty before anything is known.
        floor_seconds: the provider's own limit, never undercut.
        policy: the quantile and the cap.

    >>> often = with_gap([], 20.0)
    >>> limit_seconds(often, 120.0, StalenessPolicy())
    120.0
    >>> round(limit_seconds(with_gap(often, 500.0), 120.0, StalenessPolicy()))
    512
    """
    learnt = GROWTH ** _quantile_bucket(gaps, policy.quantile)
    return max(floor_seconds, min(learnt, policy.cap_seconds))


def lead_seconds(gaps: Sequence[int], policy: StalenessPolicy) -> float:
    """Return by how much a look must be later than another provider's for its price to win.

    Each of two providers is ahead of the other by at most the time between the other's looks and
    the difference of their delays, so not both by 1.5 of the time between their own. The median is
    taken, so that the gaps of a provider that was slow for a while are soon outnumbered.

    Args:
        gaps: counts by bucket, of the provider whose price would win.
        policy: the least lead.

    >>> round(lead_seconds(with_gap([], 64.0), StalenessPolicy()))
    96
    """
    return max(policy.takeover_seconds, 1.5 * GROWTH ** _quantile_bucket(gaps, 0.5))


def _quantile_bucket(gaps: Sequence[int], quantile: float) -> int:
    """Return how many buckets it takes to hold the quantile."""
    wanted = quantile * sum(gaps)
    seen = 0
    for number, count in enumerate(gaps, start=1):
        seen += count
        if count and seen >= wanted:
            return number
    return 0
