"""Every Celery task of the stream, and how data flows between them.

    send_score_polls ─▶ poll_scores ─▶ results of events

    tick ─▶ poll_provider ─▶ ingest ─┬─ major moves ─────────────────────────▶ recompute_markets
                                     ├─ first changes of quiet markets ──────▶ recompute_markets
                                     └─ other changes ─▶ buffer ─▶ coalesce ─▶ recompute_markets
    sweep ─▶ markets whose message was lost ─────────────────────────────────▶ recompute_markets

    major moves, edges that opened or closed ─▶ bus ─▶ deliver, one message per subscriber
    send_alerts ─▶ edges, health and letters that are news to a subscriber ─▶ deliver
    check_health ─▶ health snapshot ─▶ bus, if a check's status has changed

A task parses its arguments, calls one service and enqueues what that returned. Any message may be
lost, late, delivered twice or out of order: the versions of the markets say what is left to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import msgspec
from celery import shared_task
from celery.exceptions import Ignore
from kombu.exceptions import OperationalError

from betting.config import get_config
from betting.db.clock import database_now
from betting.logs import Operation, note, operation
from betting.logs.context import trace_ids
from streaming.alerts import carrier as _carrier  # noqa: F401 - it registers itself
from streaming.alerts import outbox
from streaming.coalescing import adaptive, buffer
from streaming.coalescing.adaptive import Decisions, MinorChange
from streaming.coalescing.buffer import Flush
from streaming.coalescing.sweep import unvalued_markets
from streaming.core.coalesce import CoalescePolicy
from streaming.dead_letters.capture import record_letter, store_spooled
from streaming.dead_letters.healing import heal
from streaming.dead_letters.messages import replay_of
from streaming.dead_letters.payloads import REPLAY_PAYLOAD, Payload
from streaming.dead_letters.repeated import repeated_work, run_each
from streaming.dead_letters.replay import HeldBack, replayed_feed, send_due_replays
from streaming.health.servers import record_tick
from streaming.health.snapshots import take_snapshot
from streaming.ingest.ageing import age
from streaming.ingest.ingest import IngestResult, MarketChange
from streaming.ingest.quarantine import quarantine_unsafe
from streaming.notifications import bus, delivery
from streaming.notifications.delivery import Delivery, Fate
from streaming.notifications.major_moves import major_moves
from streaming.notifications.subscriber_health import suppressed_subscribers
from streaming.polling.circuits import unhealthy_providers
from streaming.polling.poll import (
    Claim,
    claim_due_providers,
    newest_run,
    poll,
    require_answer,
    send_each,
)
from streaming.polling.replay_answer import ingest_payload
from streaming.polling.scores import POLL_SCORES, due_scores
from streaming.polling.scores import poll_scores as ask_for_scores
from streaming.retention.prune import prune_old_rows
from valuation import revaluation, starting
from valuation.closes import take as closes
from valuation.tasks import send_recomputes

PROBE_WAIT_SECONDS = 1.0
"""The wait of a delivery while its copy is made, or another one probes the same subscriber."""


@shared_task(name="streaming.tick")
@repeated_work()
def tick() -> None:
    """Send one poll for every provider that is due.

    Idempotent by `Provider.next_poll_at`: claiming moves it, so any number of beats poll once. If
    the broker is away, those without a message are due again.
    """
    send_each(claim_due_providers(), _send_poll)
    record_tick()


def _send_poll(claim: Claim) -> None:
    """Enqueue the poll of a provider that is due."""
    poll_provider.apply_async(
        (claim.provider_id,), countdown=claim.wait_seconds, expires=claim.expires_seconds
    )


# `self: Any` here and below: hints are read at run time, when celery's `Task` is not generic.
@shared_task(name="streaming.poll_provider", bind=True, acks_late=False)
def poll_provider(self: Any, provider_id: int) -> None:
    """Poll a provider and send on what its answers changed.

    Idempotent by the feed's `observed_at` and the quotes themselves: an answer ingested twice
    changes nothing. Acknowledged early: the next tick replaces a poll that is lost, and a poll
    delivered again would only repeat it.

    Raises:
        PollUnansweredError: the task replays a dead letter, and the letter's feed has not answered;
            where the letter names no feed, the provider has not.
    """
    replay = replay_of(vars(self.request))
    newest = 0 if replay is None else newest_run(provider_id)
    with repeated_work(), operation("streaming", "cycle", provider_id=provider_id) as op:
        op.begin_trace()
        for result in poll(provider_id, get_config()):
            send_result(result)
            op.count(answers=1, markets=len(result.markets))
    if replay is not None:
        require_answer(provider_id, newest, replayed_feed(replay))


@shared_task(name="streaming.send_score_polls", acks_late=False)
@repeated_work()
def send_score_polls() -> None:
    """Have providers asked for the scores of sports whose events have started and have no result.

    Idempotent: it writes nothing, and a sport that is asked for twice is asked once. Acknowledged
    early: the next one replaces one that is lost.
    """
    config = get_config()
    expires_seconds = max(config.poll.scores_interval_seconds, 1.0)
    for provider_id, sport in due_scores(config):
        poll_scores.apply_async((provider_id, sport), expires=expires_seconds)


@shared_task(name=POLL_SCORES, bind=True, acks_late=False)
def poll_scores(self: Any, provider_id: int, sport: str) -> None:
    """Ask a provider for a sport's scores and write the results of its events.

    Idempotent by `result_event`: a result that is known changes nothing, and where all are known
    nothing is asked. Acknowledged early, as a poll is.

    Raises:
        PollUnansweredError: the task replays a dead letter, and the provider has not answered.
    """
    with repeated_work(), operation("streaming", "cycle", provider_id=provider_id) as op:
        op.begin_trace()
        done = ask_for_scores(provider_id, sport, get_config())
        send_recomputes(sorted(done.quarantined), "major")
        op.add(answers=int(done.is_answered), markets=len(done.quarantined))
    if replay_of(vars(self.request)) is not None:
        done.require_answer()


def send_result(result: IngestResult) -> None:
    """Enqueue an answer's recomputes: first markets that have lost a price, then changed ones.

    Those that have lost a price go out on the queue of major moves because they must not wait; no
    move is announced.
    """
    send_recomputes(sorted({*result.quarantined, *result.aged}), "major")
    send_changes(result.markets)


def send_changes(changes: Iterable[MarketChange]) -> None:
    """Send on what an ingest committed: major moves at once, others at once or by the buffer.

    Subscribers to major moves are notified last, so that publishing never delays a valuation.
    """
    changes = list(changes)
    policy = get_config().coalesce
    if policy.enabled:
        _send_coalesced(changes, policy)
    else:
        _send_each(changes)
    if any(change.is_major for change in changes) and bus.is_wanted("line.major"):
        bus.publish(major_moves(changes))


def _send_coalesced(changes: Sequence[MarketChange], policy: CoalescePolicy) -> None:
    major = {change.market_id: change.move for change in changes if change.is_major}
    minor = {
        change.market_id: MinorChange(max(change.changes, 1), change.move)
        for change in changes
        if not change.is_major
    }
    send_recomputes(list(major), "major")
    if policy.adaptive == "on":
        _send_adaptively(adaptive.decide(major, minor, policy), policy)
        return
    first = _send_by_windows(
        {market_id: change.changes for market_id, change in minor.items()}, policy,
        has_major=bool(major),
    )  # fmt: skip
    if policy.adaptive == "shadow":
        with _only_counting():
            adaptive.decide(major, minor, policy)
            adaptive.count_fixed(first)


@contextmanager
def _only_counting() -> Iterator[None]:
    """Let no failure of what is only counted fail what was sent."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - as said
        words = f"adaptive windows are not counted: {type(error).__name__}"
        note("streaming", "cycle", words, status="failed")


def _send_by_windows(minor: Mapping[int, int], policy: CoalescePolicy, *, has_major: bool) -> int:
    """Send what goes at once, and have the others wait; return the number of the former."""
    # Beside a major move the others wait: they would compete with it for the processors.
    first = set() if has_major else buffer.claim_first(minor, policy)
    send_recomputes(sorted(first), "first")
    waiting = {market_id: count for market_id, count in minor.items() if market_id not in first}
    for shard, flush in buffer.push(waiting, policy, trace_ids()).items():
        wait_ms = policy.batch_ms if flush is Flush.LATER else 0
        coalesce_line_changes.apply_async((shard,), countdown=wait_ms / 1000)
    return len(first)


def _send_adaptively(decided: Decisions, policy: CoalescePolicy) -> None:
    send_recomputes(sorted(decided.first), "first")
    for slot in decided.slots:
        if buffer.push_to(slot.shard, slot.changes, policy, trace_ids()):
            coalesce_line_changes.apply_async((slot.shard,), countdown=slot.wait_ms / 1000)


def _send_each(changes: Iterable[MarketChange]) -> None:
    """Send one message for each single change: the baseline that coalescing is measured by."""
    for change in changes:
        trigger = "major" if change.is_major else "batch"
        for _ in range(max(change.changes, 1)):
            send_recomputes([change.market_id], trigger)


@shared_task(name="streaming.deliver", bind=True, max_retries=None)
def deliver(self: Any, subscriber: str, delivery_id: str, events: list[dict[str, Any]]) -> None:
    """Deliver notifications to one subscriber, or store them as a dead letter for a replay.

    Idempotent by `delivery_id`: a delivery that a `DeliveryRun` records as arrived is not made
    again. One that is cut off before it is recorded is repeated, and the receiver recognises it by
    the id. While a copy of it is being made, or another delivery probes the subscriber, the task
    is retried; their leases bound that.
    """
    replay = replay_of(vars(self.request))
    made = Delivery(subscriber, delivery_id, events, replay)
    fate = delivery.deliver(made, get_config(), record_letter)
    if fate is Fate.WAITING:
        raise self.retry(countdown=PROBE_WAIT_SECONDS)
    if fate in {Fate.FAILED, Fate.HELD}:
        raise Ignore  # its letter is stored: signal neither a replay's success nor a new failure


@shared_task(name="streaming.send_alerts", acks_late=False)
@repeated_work()
def send_alerts() -> None:
    """Send each subscriber to alerts what is new to it.

    Idempotent by the rows `Alert`, which are unique by subscriber and subject. Acknowledged early:
    the next one finds what this one has left.
    """
    outbox.send_due(database_now())


@shared_task(name="streaming.coalesce_line_changes")
@repeated_work()
def coalesce_line_changes(shard: int) -> None:
    """Turn a shard's waiting changes into recomputes, one message for many markets.

    Idempotent by the drain, which empties the shard in one step: a second delivery finds nothing.
    Markets that a crash or an outage loses stay unvalued in the database, where the sweep finds
    them.
    """
    policy = get_config().coalesce
    with operation("streaming", "batch_flush", shard=shard) as op:
        batch = buffer.drain(shard, policy)
        op.follow(batch.trace_ids)
        op.add(changes=batch.changes, markets=len(batch.market_ids))
        is_slot = shard in policy.slot_shards  # due now, by its own waits
        held_back_ms = 0 if is_slot else max(0, policy.debounce_ms - batch.waited_ms)
        send_recomputes(batch.market_ids, "batch", countdown_ms=held_back_ms)
        if policy.adaptive == "shadow" and not is_slot:
            with _only_counting():
                adaptive.count_fixed(len(batch.market_ids))
        skipped = batch.markets - len(batch.market_ids)
        if skipped:
            words = "a pending recompute takes the markets along"
            note("streaming", "debounce_skip", words, status="skipped", markets=skipped)


@shared_task(name="streaming.sweep")
@repeated_work()
def sweep() -> None:
    """Quarantine unsafe quotes, age those past their limit, have markets valued, and close.

    Idempotent by the quotes' status, by `FeedBookmaker.stale_markets`, by
    `Revaluation.after_market`, by the marks on edges, by `Event.closed_for`, and by
    `Market.swept_at`, which claiming moves.
    """
    with operation("streaming", "sweep") as op:
        op.begin_trace()
        run_each(partial(_send_unvalued, op), _quarantine, _age, _revalue, _mark_started, _close)


@shared_task(name="streaming.quarantine")
@repeated_work()
def quarantine(provider_id: int) -> None:
    """Take a provider's prices off the board, after an operator has opened its circuit.

    Idempotent by `Provider.generation` and the quotes' status. The sweep replaces one that is lost.
    """
    _quarantine(provider_id)


def _send_unvalued(op: Operation) -> None:
    """Enqueue the markets whose message was lost."""
    unvalued = unvalued_markets(get_config().sweep)
    op.add(markets=len(unvalued))
    send_recomputes(unvalued, "sweep")


def _quarantine(provider_id: int | None = None) -> None:
    """Quarantine what is unsafe, of one provider or of all, and have its markets valued."""
    with operation("streaming", "quarantine") as op:
        markets = quarantine_unsafe(database_now(), provider_id)
        send_recomputes(markets, "major")
        op.status = "degraded"
        op.add(markets=len(markets))
        if not markets:
            op.silence()


def _age() -> None:
    """Declare prices stale that were not confirmed within their limit; have them revalued."""
    with operation("streaming", "age") as op:
        markets = age(database_now())
        send_recomputes(markets, "major")
        op.status = "degraded"
        op.add(markets=len(markets))
        if not markets:
            op.silence()


def _revalue() -> None:
    """Enqueue the next markets that a changed commission, weight or setting affects."""
    with operation("streaming", "revalue") as op:
        revaluation.apply_policy(get_config().valuation, revaluation.policy_set_at())
        markets = revaluation.step()
        send_recomputes(markets, "sweep")
        op.add(markets=len(markets))
        if not markets:
            op.silence()


def _mark_started() -> None:
    """Enqueue the markets whose edges are marked as in play and are not, or the reverse."""
    send_recomputes(starting.mark(), "major")


def _close() -> None:
    """Take the closing prices of events that have started."""
    with operation("valuation", "close") as op:
        taken = closes.take(get_config().valuation)
        op.add(events=taken.events, withdrawn=taken.withdrawn)
        if not taken.events + taken.withdrawn:
            op.silence()


def send_quarantine(provider_id: int) -> None:
    """Enqueue the quarantine of a provider's prices; if the broker is away, the sweep does it."""
    with suppress(OperationalError):
        quarantine.delay(provider_id)


@shared_task(name="streaming.check_health", acks_late=False)
@repeated_work()
def check_health() -> None:
    """Check the health of the whole, store a snapshot, and notify if a check's status has changed.

    Idempotent: two at once start from the same snapshot and count nothing twice. Acknowledged
    early: the next one replaces one that is lost.
    """
    take_snapshot(get_config())


@shared_task(name="streaming.prune", acks_late=False)
@repeated_work()
def prune() -> None:
    """Delete rows past their retention, in bounded steps.

    Idempotent: a deleted row stays deleted. Acknowledged early, because a long run would be
    delivered again while it runs; the next one replaces one that is lost. It runs in a thread
    beside the polls, where no time limit cuts it short and no valuation waits for it.
    """
    with operation("streaming", "prune") as op:
        deleted = prune_old_rows(get_config().retention)
        op.add(rows=sum(deleted.values()))


@shared_task(name="streaming.store_spooled_letters", acks_late=False)
@repeated_work()
def store_spooled_letters() -> None:
    """Store the dead letters that were spooled while the database was away, and close healed ones.

    Idempotent by the letters' ids and status: a letter stored twice is one row. Acknowledged early,
    as `prune` is: many letters take a while.
    """
    run_each(partial(store_spooled, get_config()), heal)


@shared_task(name="streaming.send_replays", acks_late=False)
@repeated_work()
def send_replays() -> None:
    """Send the replays that were requested, at a limited rate per second.

    Replays about a provider wait until its circuit has closed, and those of deliveries while their
    subscriber is suppressed.

    Idempotent by the actions' outcome, which claiming changes. Acknowledged early: the next one
    sends what is left.
    """
    config = get_config()
    held_back = HeldBack(unhealthy_providers(config), suppressed_subscribers(delivery.utc_now()))
    send_due_replays(held_back)


@shared_task(name=REPLAY_PAYLOAD)
def replay_payload(  # noqa: PLR0913 - the fields of a `Payload`, so that edited ones can be checked
    *,
    provider: str,
    path: str,
    params: dict[str, str],
    status: int,
    content_type: str,
    received_at: str,
    packed: str,
    adapter: str = "",
    generation: int | None = None,
) -> None:
    """Decode and ingest a kept answer that could not be read when it came.

    The arguments are those of a `Payload`, as JSON values.

    Idempotent as `poll_provider` is: an answer ingested twice changes nothing.
    """
    payload = msgspec.convert(
        {
            "provider": provider,
            "path": path,
            "params": params,
            "status": status,
            "content_type": content_type,
            "received_at": received_at,
            "packed": packed,
            "adapter": adapter,
            "generation": generation,
        },
        Payload,
    )
    with operation("streaming", "cycle") as op:
        op.begin_trace()
        result = ingest_payload(payload, get_config())
        send_result(result)
        op.add(answers=1, markets=len(result.markets))
