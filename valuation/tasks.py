"""The Celery tasks of valuation: one message, many markets."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from celery import shared_task

from betting.config import get_config
from betting.db import live_settings
from betting.logs import Operation, operation
from streaming.notifications import bus
from valuation.edge_notifications import edge_changes
from valuation.policy import ValuationPolicy
from valuation.recompute import RecomputeResult, recompute


@shared_task(name="valuation.recompute_markets")
def recompute_markets(market_ids: list[int], trigger: str) -> None:
    """Value markets from their quotes as they are now.

    Idempotent by version: a market valued at its version is skipped, and an older computation
    never overwrites a newer one.
    """
    with operation("valuation", "recompute", trigger=trigger, markets=len(market_ids)) as op:
        op.status = "skipped"

        def on_commit(result: RecomputeResult) -> None:
            _tell(op, result)
            _announce(result)

        recompute(market_ids, trigger, _newest_policy, on_commit)


def _newest_policy() -> ValuationPolicy:
    """Return the valuation rules, with what operators have changed until now."""
    if not live_settings.is_current():
        live_settings.refresh()
    return get_config().valuation


def _tell(op: Operation, result: RecomputeResult) -> None:
    """Add what one transaction wrote to the log; a batch that was halved has several."""
    op.count(
        valued=len(result.valued),
        edges_opened=len(result.edges_opened),
        edges_closed=len(result.edges_closed),
    )
    if result.valued:
        op.status = "ok"
    if result.latencies_ms:
        op.add(
            latency_ms_median=round(median(result.latencies_ms), 3),
            latency_ms_max=round(max(result.latencies_ms), 3),
        )


def _announce(result: RecomputeResult) -> None:
    """Publish the edges that opened and closed, if any subscriber wants them."""
    has_changes = bool(result.edges_opened or result.edges_closed)
    if has_changes and bus.is_wanted("edge.opened", "edge.closed"):
        bus.publish(edge_changes(result))


def send_recomputes(market_ids: Sequence[int], trigger: str, *, countdown_ms: int = 0) -> None:
    """Send markets to be valued, in messages of bounded size; major moves on their own queue."""
    size = get_config().coalesce.recompute_markets
    queue = "major" if trigger == "major" else "valuation"
    for start in range(0, len(market_ids), size):
        chunk = list(market_ids[start : start + size])
        recompute_markets.apply_async((chunk, trigger), queue=queue, countdown=countdown_ms / 1000)
