"""The checks, by group; docs/runbook.md says what to do about each.

A check whose server does not answer is unknown; that server's own check says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from types import MappingProxyType

from streaming.core.health import Check, HealthPolicy, Status
from streaming.core.health_score import part
from streaming.health.judges import failures, feeds, processes, providers, servers, valuation
from streaming.health.judges.common import Judge
from streaming.health.observations import Observations

GROUPS: Mapping[str, tuple[Judge, ...]] = MappingProxyType(
    {
        "servers": servers.CHECKS,
        "processes": processes.CHECKS,
        "providers": (*providers.CHECKS, *feeds.CHECKS),
        "valuation": valuation.CHECKS,
        "failures": failures.CHECKS,
    }
)
"""Group → its checks. The worst group decides the score."""

CHECKS: tuple[Judge, ...] = tuple(chain.from_iterable(GROUPS.values()))
"""All checks."""


def judge(observations: Observations, policy: HealthPolicy) -> list[Check]:
    """Judge all checks, in their order."""
    return [each(observations, policy) for each in CHECKS]


def grouped(checks: Iterable[Check]) -> dict[str, list[Status]]:
    """Return group → the statuses of its checks, in their order."""
    status = {check.name: check.status for check in checks}
    return {
        group: [status[each.__name__] for each in judges if each.__name__ in status]
        for group, judges in GROUPS.items()
    }


def worst_group(checks: Iterable[Check]) -> str:
    """Return the group that decides the score."""
    groups = grouped(checks)
    return min(groups, key=lambda group: part(groups[group]))
