"""The score weighted by consequence: how bad the worst check of each consequence is.

Checks are grouped by what follows from them for prices, not by where they look: a board without
prices is worse than one with late prices, and that is worse than a disk that fills. Of each group
the worst check counts, in proportion to its weight; two groups that are not well make the score
lower than one of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from streaming.core.health import Check, Status, title


class Consequence(Enum):
    """The consequence of a check that does not pass, the worst first."""

    SILENCE = "silence"
    LATENESS = "lateness"
    LOSS = "loss"
    RESERVES = "reserves"


WEIGHTS: Mapping[Consequence, float] = MappingProxyType(
    {
        Consequence.SILENCE: 0.9,
        Consequence.LATENESS: 0.6,
        Consequence.LOSS: 0.4,
        Consequence.RESERVES: 0.3,
    }
)
"""The part of the score that a failing check of the group costs."""

CHECKS: Mapping[Consequence, frozenset[str]] = MappingProxyType(
    {
        Consequence.SILENCE: frozenset(
            {
                "database",
                "redis",
                "beat",
                "workers",
                "circuits",
                "provider_silence",
                "book_silence",
                "feeds",
                "activity",
                "missing_recomputes",
            }
        ),
        Consequence.LATENESS: frozenset(
            {"queue_backlog", "queue_age", "stale_markets", "latency_major", "latency_batch"}
        ),
        Consequence.LOSS: frozenset(
            {"dead_letter_rate", "dead_letter_growth", "subscribers", "unread_records"}
        ),
        Consequence.RESERVES: frozenset(
            {"disk", "broker", "quota", "buffer_overflow", "recompute_ratio", "replica"}
        ),
    }
)
"""Each consequence's checks."""

_CONSEQUENCES = {name: consequence for consequence, names in CHECKS.items() for name in names}

_LOWEST: Mapping[Status, float] = MappingProxyType(
    {Status.PASS: 0.0, Status.WARN: 0.5, Status.UNKNOWN: 0.75, Status.FAIL: 1.0}
)


@dataclass(frozen=True, slots=True)
class WeightedScore:
    """The score, and what decides it.

    Attributes:
        score: 0 to 100, which is reached only if every check passes.
        consequence: the group that costs most; None where every check passes.
        check: the worst of its checks; empty where every check passes.
    """

    score: int
    consequence: Consequence | None = None
    check: str = ""

    @property
    def reason(self) -> str:
        """The group and the check that decide, in words; empty where every check passes.

        >>> WeightedScore(55, Consequence.SILENCE, "provider_silence").reason
        'silence: provider silence'
        """
        return f"{self.consequence.value}: {title(self.check)}" if self.consequence else ""


def consequence_of(check: str) -> Consequence:
    """Return what follows if a check does not pass; of one without a group, the worst.

    >>> consequence_of("disk"), consequence_of("a check of tomorrow")
    (<Consequence.RESERVES: 'reserves'>, <Consequence.SILENCE: 'silence'>)
    """
    return _CONSEQUENCES.get(check, Consequence.SILENCE)


def badness(check: Check) -> float:
    """Return how bad a check is: 0 if it passes, 1 if it fails.

    A warning counts from 0.5 to 0.75, by how near its figure is to the limit of a failure, and what
    is not known 0.75. A warning that only a start explains counts 0.5.

    >>> from streaming.core.health import check as graded
    >>> [badness(graded("queue_age", age, (5, 30), "s", "")) for age in (4, 5, 17.5, 30, None)]
    [0.0, 0.5, 0.625, 1.0, 0.75]
    """
    lowest = _LOWEST[check.status]
    warn, fail = check.thresholds
    is_between = check.status is Status.WARN and not check.is_starting and math.isfinite(fail)
    if not is_between or check.observed is None or fail <= warn:
        return lowest
    nearness = (check.observed - warn) / (fail - warn)
    return lowest + (_LOWEST[Status.UNKNOWN] - lowest) * min(max(nearness, 0.0), 1.0)


def weighted(checks: Iterable[Check]) -> WeightedScore:
    """Return the weighted score; without any check, 0.

    >>> from streaming.core.health import MUST_NOT_BE, check as graded
    >>> well = graded("redis", 0.0, MUST_NOT_BE, "", "")
    >>> weighted([well, graded("disk", 0.98, (0.9, 0.97), "", "")]).score
    70
    >>> weighted([well, graded("beat", 40.0, (5.0, 30.0), "", "")])
    WeightedScore(score=10, consequence=<Consequence.SILENCE: 'silence'>, check='beat')
    """
    by_consequence: dict[Consequence, list[Check]] = {}
    for check in checks:
        by_consequence.setdefault(consequence_of(check.name), []).append(check)
    if not by_consequence:
        return WeightedScore(0)
    worst = [
        max(by_consequence[each], key=badness) for each in Consequence if each in by_consequence
    ]
    left = math.prod(1.0 - _cost(check) for check in worst)
    deciding = max(worst, key=_cost)
    score = math.floor(round(100 * left, 9))
    if not _cost(deciding):
        return WeightedScore(score)
    return WeightedScore(score, consequence_of(deciding.name), deciding.name)


def _cost(check: Check) -> float:
    return WEIGHTS[consequence_of(check.name)] * badness(check)
