"""The scorers that are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from streaming.benchmark.health.alarms import Scorer
from streaming.core.health import Check, Status
from streaming.core.health_score import score
from streaming.core.weighted_health import weighted
from streaming.health.checks import grouped


def _without_failure(checks: Sequence[Check]) -> float:
    return 0.0 if any(each.status is Status.FAIL for each in checks) else 100.0


SCORERS: Mapping[str, Scorer] = MappingProxyType(
    {
        "a check fails": _without_failure,
        "today's score": lambda checks: score(grouped(checks).values()),
        "weighted score": lambda checks: weighted(checks).score,
    }
)
"""Name → scorer; the first is what the shipped alerts ask for."""
