"""Grading of checks, and burn rates of objectives.

Every observation is measured so that more is worse, and one rule grades them all. An unknown one is
never taken for good: it is worse than a warning, and scores nothing. A rate or a quantile is judged
on enough samples only: `samples_needed`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated

from msgspec import Meta as Setting

Thresholds = tuple[float, float]
"""The observation at which a check begins to warn, and that at which it begins to fail."""

MUST_NOT_BE: Thresholds = (1.0, 1.0)
"""The limits of a count that fails with the first."""

ALWAYS_WELL: Thresholds = (math.inf, math.inf)

ANY = 1e-9
"""The threshold that anything above 0 reaches."""


class Status(Enum):
    """The status of a check or of the whole, from the best to the worst."""

    PASS = "pass"  # noqa: S105 - no password
    WARN = "warn"
    UNKNOWN = "unknown"
    FAIL = "fail"

    @property
    def severity(self) -> int:
        """The position in that order, 0 for the best."""
        return list(Status).index(self)


STALE_LOOKS = 3
"""Snapshots that may be missing before the newest one's word is not trusted."""


@dataclass(frozen=True, slots=True)
class HealthPolicy:
    """Limits of what is healthy. A pair holds the limit of a warning and that of a failure.

    Attributes:
        interval_seconds: between two snapshots.
        starting_seconds: after a start; what is not known until then is a warning, and from then
            on a failure.
        probe_seconds: how long PostgreSQL, Redis and a worker may take to answer.
        objective: the part of the valuations that has to be in time.
        major_ms: in time for a major move, from the commit of the change to that of its value.
        batch_ms: the same for all else, whose batch and debounce windows are part of it.
        burn_rate: how many times faster than allowed the objective is missed, over 5 minutes and
            over 1 hour alike; a window with too few valuations is not judged.
        tick_seconds: since the last tick of beat.
        silence_intervals: since the last poll, in intervals of the provider polled most often.
        queue_messages: messages that wait in a queue.
        queue_seconds: how long the oldest of them has.
        provider_silence: since a provider last answered, in units of its `stale_after_seconds`.
        silent_books: the part of the bookmakers in answering feeds that nothing confirms.
        stale_market_seconds: how long the oldest change has waited for its valuation.
        recomputes_per_change: recomputes of a market, as asked for, for each line change, over 5
            minutes.
        min_changes: fewer line changes than this in 5 minutes say nothing about rates.
        dead_letter_rate: dead letters for each piece of work, over 1 hour.
        dead_letters_per_hour: dead letters, however much work there was.
        memory_used: the part of Redis's `maxmemory`, if it has one, that is used.
        disk_used: the part of the disk under the private servers that is used.
    """

    interval_seconds: float = 10.0
    starting_seconds: float = 60.0
    probe_seconds: Annotated[float, Setting(ge=0.05, le=30)] = 1.0
    objective: Annotated[float, Setting(ge=0, le=0.99999, extra={"live": True})] = 0.99
    major_ms: Annotated[float, Setting(ge=5, le=30_000, extra={"live": True})] = 100.0
    batch_ms: Annotated[float, Setting(ge=5, le=30_000, extra={"live": True})] = 1_000.0
    burn_rate: Thresholds = (6.0, 14.4)
    tick_seconds: Thresholds = (5.0, 30.0)
    silence_intervals: Thresholds = (3.0, 10.0)
    queue_messages: Annotated[Thresholds, Setting(extra={"live": True})] = (500.0, 5_000.0)
    queue_seconds: Annotated[Thresholds, Setting(extra={"live": True})] = (5.0, 30.0)
    provider_silence: Thresholds = (0.5, 1.0)
    silent_books: Thresholds = (0.1, 0.5)
    stale_market_seconds: Annotated[Thresholds, Setting(extra={"live": True})] = (5.0, 30.0)
    recomputes_per_change: Thresholds = (0.8, 2.0)
    min_changes: int = 100
    dead_letter_rate: Thresholds = (0.01, 0.1)
    dead_letters_per_hour: Thresholds = (10.0, 100.0)
    memory_used: Thresholds = (0.8, 0.95)
    disk_used: Annotated[Thresholds, Setting(extra={"live": True})] = (0.9, 0.97)

    @property
    def trusted_seconds(self) -> float:
        """The longest that a snapshot is trusted, in seconds."""
        return STALE_LOOKS * self.interval_seconds


@dataclass(frozen=True, slots=True)
class Check:
    """One check with its result.

    Attributes:
        name: its name; also the anchor of its section in docs/runbook.md, with hyphens.
        status: its grade.
        observed: what was measured; None where that is not known.
        thresholds: where it begins to warn, and to fail.
        unit: of both.
        detail: what was seen, one line.
        since: since when it has this status; None where that is not recorded.
        may_be_earlier: True where it may have begun before `since`.
        is_starting: True where it is a warning only because the system has just started.
    """

    name: str
    status: Status
    observed: float | None
    thresholds: Thresholds
    unit: str
    detail: str
    since: datetime | None = None
    may_be_earlier: bool = False
    is_starting: bool = False

    @property
    def runbook(self) -> str:
        """The address of its section in the runbook."""
        return runbook(self.name)

    @property
    def limits(self) -> str:
        """The limits of a warning and a failure, for people.

        >>> check("beat", 1.0, (5.0, 30.0), "seconds since the last tick", "").limits
        'warns from 5, fails from 30 (seconds since the last tick)'
        >>> check("workers", 0.0, MUST_NOT_BE, "queues without a worker", "").limits
        'fails from 1 (queues without a worker)'
        >>> check("circuits", 0.0, (ANY, math.inf), "share of the circuits", "").limits
        'warns from any (share of the circuits)'
        """
        warn, fail = self.thresholds
        warns = [f"warns from {_shown(warn)}"] if warn < fail else []
        fails = [f"fails from {_shown(fail)}"] if math.isfinite(fail) else []
        return f"{', '.join(warns + fails)} ({self.unit})"

    @property
    def line(self) -> str:
        """The name and the detail as one line, for notifications."""
        return f"{self.name}: {self.detail}"


def _shown(threshold: float) -> str:
    return "any" if threshold == ANY else f"{threshold:g}"


def title(check: str) -> str:
    """Return the name of a check, or of a group of checks, in words.

    >>> title("queue_age"), title("stale_markets")
    ('queue age', 'unvalued markets')
    """
    return _TITLES.get(check, check.replace("_", " "))


_TITLES = {"stale_markets": "unvalued markets"}
"""The words for checks whose names, which clients know, say something else."""


def runbook(check: str) -> str:
    """Return the address of a check's section in the runbook.

    >>> runbook("queue_age")
    'docs/runbook.md#queue-age'
    """
    return f"docs/runbook.md#{title(check).replace(' ', '-')}"


def grade(observed: float | None, thresholds: Thresholds) -> Status:
    """Grade an observation.

    >>> [grade(seconds, (5.0, 30.0)).value for seconds in (4.9, 5.0, 30.0, None)]
    ['pass', 'warn', 'fail', 'unknown']
    """
    if observed is None or math.isnan(observed):
        return Status.UNKNOWN
    warn, fail = thresholds
    if observed >= fail:
        return Status.FAIL
    return Status.WARN if observed >= warn else Status.PASS


def check(
    name: str, observed: float | None, thresholds: Thresholds, unit: str, detail: str
) -> Check:
    """Return a graded check."""
    return Check(name, grade(observed, thresholds), observed, thresholds, unit, detail)


def crossed(observed: float, thresholds: Thresholds) -> float:
    """Return the threshold to name beside an observation: the one crossed, or to be crossed first.

    >>> [crossed(seconds, (5.0, 30.0)) for seconds in (1.0, 7.0, 31.0)]
    [5.0, 5.0, 30.0]
    """
    warn, fail = thresholds
    return fail if observed >= fail else warn


def overall(statuses: Iterable[Status]) -> Status:
    """Return the worst status; of none at all, unknown.

    >>> overall([Status.PASS, Status.WARN]), overall([])
    (<Status.WARN: 'warn'>, <Status.UNKNOWN: 'unknown'>)
    """
    return max(statuses, key=lambda status: status.severity, default=Status.UNKNOWN)


def burn_rate(late: float, total: float, objective: float) -> float:
    """Return how many times faster than the objective allows misses come; 0 without any work.

    >>> round(burn_rate(late=5, total=100, objective=0.99), 6)
    5.0
    """
    if total <= 0 or late <= 0:
        return 0.0
    allowed = 1.0 - objective
    return late / total / allowed if allowed > 0 else math.inf


def samples_needed(part: float) -> int:
    """Return the fewest samples on which a part of them can be judged: one of them is that part.

    With fewer, a single one would be more than the part that is allowed. It holds for every rate
    and quantile that a check judges: a p99 needs 100, a rate of 1 % needs 100 pieces of work.

    >>> samples_needed(1 - 0.99), samples_needed(0.05)
    (100, 20)
    """
    return math.ceil(round(1 / part, 6)) if part > 0 else 1


def sustained(rates: Iterable[float]) -> float:
    """Return the burn rate that all windows reach: the least.

    A short window alone would warn of every brief fault, a long one alone long after it is over.
    """
    return min(rates, default=0.0)
