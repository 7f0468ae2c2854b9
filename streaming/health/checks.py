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
        "servers": (servers.database, servers.redis, servers.broker, servers.disk),
        "processes": (
            processes.beat,
            processes.workers,
            processes.queue_backlog,
            processes.queue_age,
        ),
        "providers": (
            providers.circuits,
            providers.provider_silence,
            feeds.feeds,
            feeds.unread_records,
            providers.book_silence,
            providers.quota,
            providers.activity,
        ),
        "valuation": (
            valuation.missing_recomputes,
            valuation.recompute_ratio,
            valuation.stale_markets,
            valuation.latency_major,
            valuation.latency_batch,
            valuation.buffer_overflow,
        ),
        "failures": (
            failures.dead_letter_rate,
            failures.dead_letter_growth,
            failures.subscribers,
        ),
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
