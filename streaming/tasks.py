"""The data's way, task by task.

    tick ─▶ poll_provider ─▶ ingest ─┬─ major ───────────────────────────▶ recompute_markets
                                     └─ the rest ─▶ buffer ─▶ coalesce ──▶ recompute_markets
    sweep ─▶ whatever of that was lost ──────────────────────────────────▶ recompute_markets

A task parses its arguments, calls one service and enqueues what that returned. Any message here
may be lost, late, delivered twice or out of order: the markets' versions say what is left to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from celery import shared_task
from kombu.exceptions import OperationalError

from betting.config import get_config
from streaming import buffer
from streaming.buffer import Flush
from streaming.circuits import database_now
from streaming.ingest import MarketChange
from streaming.poll import claim_due_providers, poll
from streaming.quarantine import quarantine_unsafe
from streaming.retention import prune_old_rows
from streaming.sweep import stale_markets
from valuation.tasks import send_recomputes


@shared_task(name="streaming.tick")
def tick() -> None:
    """Send one poll for every provider that is due.

    Idempotent by `Provider.next_poll_at`: claiming moves it, so any number of beats poll once.
    """
    for claim in claim_due_providers(get_config().poll):
        poll_provider.apply_async(
            (claim.provider_id,), countdown=claim.wait_seconds, expires=claim.expires_seconds
        )


@shared_task(name="streaming.poll_provider", acks_late=False)
def poll_provider(provider_id: int) -> None:
    """Ask a provider for its odds and send on what changed.

    Idempotent by the feed's `observed_at` and the quotes themselves: an answer ingested twice
    changes nothing. Acknowledged early: a poll that is lost is made again by the next tick, one
    delivered again would only repeat it.
    """
    for result in poll(provider_id, get_config()):
        send_changes(result.markets)


def send_changes(changes: Iterable[MarketChange]) -> None:
    """Send on what an ingest committed: major moves at once, the rest by way of the buffer."""
    policy = get_config().coalesce
    major, minor = [], {}
    for change in changes:
        if change.is_major:
            major.append(change.market_id)
        else:
            minor[change.market_id] = max(change.changes, 1)
    send_recomputes(major, "major")
    for shard, flush in buffer.push(minor, policy).items():
        wait_ms = policy.batch_ms if flush is Flush.LATER else 0
        coalesce_line_changes.apply_async((shard,), countdown=wait_ms / 1000)


@shared_task(name="streaming.coalesce_line_changes")
def coalesce_line_changes(shard: int) -> None:
    """Turn a shard's waiting changes into recomputes, one message for many markets.

    Idempotent by the drain, which empties the shard in one step: a second delivery finds
    nothing. What a crash takes with it stays stale in the database and is swept.
    """
    policy = get_config().coalesce
    batch = buffer.drain(shard, policy)
    send_recomputes(batch.market_ids, "batch", countdown_ms=policy.debounce_ms)


@shared_task(name="streaming.sweep")
def sweep() -> None:
    """Quarantine whatever has become unsafe; value whatever has waited too long.

    Idempotent by the quotes' status, and by `Market.swept_at`, which claiming moves.
    """
    config = get_config()
    send_recomputes(quarantine_unsafe(database_now()), "major")
    send_recomputes(stale_markets(config.sweep), "sweep")


@shared_task(name="streaming.quarantine")
def quarantine(provider_id: int) -> None:
    """Take a provider's prices off the board, after an operator has opened its circuit.

    Idempotent by `Provider.generation` and the quotes' status. One that is lost is swept.
    """
    send_recomputes(quarantine_unsafe(database_now(), provider_id), "major")


def send_quarantine(provider_id: int) -> None:
    """Have a provider's prices taken off the board now; should the message be lost, soon."""
    with suppress(OperationalError):
        quarantine.delay(provider_id)


@shared_task(name="streaming.prune", acks_late=False)
def prune() -> None:
    """Delete rows past their retention, in bounded steps.

    Idempotent: gone is gone. Acknowledged early, for a long one would be delivered again while it
    runs; one that is lost is made good by the next. It runs beside the polls, in a thread, where
    no time limit cuts it short and no valuation waits for it.
    """
    prune_old_rows(get_config().retention)
