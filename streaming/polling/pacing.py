"""Pacing: how far apart a provider's polls have to be for its allowance to last."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from betting.config import PollConfig
from betting.logs import note
from betting.models import Provider
from streaming.core.quota import Allowance, affordable_interval
from streaming.models import PollRun


def pace(provider_id: int, runs: Iterable[PollRun], config: PollConfig, now: datetime) -> Allowance:
    """Slow a provider down after a whole poll, or return it to its usual pace.

    Args:
        provider_id: the provider polled; its row holds what it has said about its allowance.
        runs: the poll's requests, in their order.
        config: how slow a poll may become.
        now: the time.

    Returns:
        The provider's allowance; one of which nothing is known if its answers do not state it.
    """
    costs = [run.quota_cost for run in runs]
    if not costs or None in costs:
        return Allowance()
    provider = Provider.objects.get(pk=provider_id)
    cost = sum(cost for cost in costs if cost is not None)
    allowance = Allowance(provider.quota_remaining, cost, provider.quota_resets_at)
    usual = provider.interval_seconds
    interval = affordable_interval(usual, config.slowest_interval_seconds, allowance, now)
    paced = interval if interval > usual else None
    if (paced is None) != (provider.paced_interval_seconds is None):
        note(
            "provider",
            "pace",
            f"{provider.key} is polled every {interval:.0f} s: {_why(allowance)}",
            status="recovering" if paced is None else "degraded",
            provider=provider.key,
            interval_seconds=interval,
        )
    Provider.objects.filter(pk=provider_id).update(
        quota_poll_cost=cost, paced_interval_seconds=paced
    )
    return allowance


def _why(allowance: Allowance) -> str:
    return (
        f"{allowance.remaining} credits are left until {allowance.resets_at},"
        f" and a poll costs {allowance.poll_cost}"
    )
