"""Deliveries: one message of notifications to one subscriber, and what becomes of a failed one.

A delivery is attempted once. One that fails, or that is held back while its subscriber is
suppressed, becomes a dead letter; its replay is the same delivery, under the same id. A delivery
that starts while a probe is under way waits for it: of a replay of many, the first is the probe. So
does one whose copy is being made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

from betting.config import BusConfig, Config
from betting.db.advisory_locks import DELIVERIES, session_lock, signed_32_bits
from betting.logs import Operation, operation
from streaming.core.breaker import Breaker, CallOutcome
from streaming.core.failures import ProviderFailure
from streaming.core.letters import Kind, Letter
from streaming.core.notifications import Notification, SubscriberTest, from_message, to_message
from streaming.core.texts import one_line
from streaming.models import AlertSubscriber, DeliveryOutcome, DeliveryRun, WebhookSubscriber
from streaming.notifications.bus import DELIVER
from streaming.notifications.handlers import find_handler
from streaming.notifications.in_time import call_in_time
from streaming.notifications.subscriber_health import Admission, admit, note
from streaming.notifications.webhooks import post

RECORDING_SECONDS = 5.0
"""The time that recording an outcome may take, beyond a delivery's own deadline."""

_LOGGED_FAILURES = frozenset({1, 5, 25})
_LOGGED_EVERY = 100

Clock = Callable[[], datetime]
PutAside = Callable[[Letter], None]
"""A function that stores a delivery that was not made, for a replay."""

Carry = Callable[[datetime], None]
"""A function that delivers to a subscriber now; it raises a `ProviderFailure` on failure."""

FindCarrier = Callable[["Delivery", Sequence[Notification], BusConfig, bool], Carry | None]
"""A function that returns how to make a delivery, which may be a test.

It returns None if there is nothing to do: the subscriber is gone or disabled.
"""


_Subscriber = TypeVar("_Subscriber", AlertSubscriber, WebhookSubscriber)

_find_carriers: dict[str, FindCarrier] = {}
"""By kind of subscriber."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message for one subscriber.

    Attributes:
        subscriber: its key.
        id: the delivery's id, the same whenever it is delivered again.
        notifications: JSON values.
        replay: the action by which a dead letter sends it again; None for the first time.
    """

    subscriber: str
    id: str
    notifications: list[dict[str, Any]]
    replay: int | None = None

    @property
    def kind(self) -> str:
        """The kind of the subscriber: the first part of its key."""
        return self.subscriber.partition(":")[0]

    @property
    def name(self) -> str:
        """The name of the subscriber: the rest of its key."""
        return self.subscriber.partition(":")[2]


class Fate(Enum):
    """The fate of a delivery.

    Attributes:
        DELIVERED: it arrived.
        FAILED: it did not arrive, and is stored as a dead letter.
        HELD: it was not attempted, and is stored as a dead letter.
        WAITING: it was not attempted, and should be attempted again in a moment.
        NEEDLESS: it has arrived before, or its subscriber is gone or disabled.
    """

    DELIVERED = "delivered"
    FAILED = "failed"
    HELD = "held"
    WAITING = "waiting"
    NEEDLESS = "needless"


def utc_now() -> datetime:
    """Return the current time, in UTC."""
    return datetime.now(UTC)


def deliver(
    delivery: Delivery, config: Config, put_aside: PutAside, clock: Clock = utc_now
) -> Fate:
    """Make a delivery, or store it as a dead letter for a replay.

    Args:
        delivery: the message and its subscriber.
        config: the deadlines, and the rules that suppress a subscriber.
        put_aside: stores the dead letter of a delivery that was not made.
        clock: returns the current time.

    Raises:
        msgspec.ValidationError: the notifications are not valid.
    """
    notifications = from_message(delivery.notifications)
    # A message may be in the queue twice, and not every receiver recognises a repetition.
    number = signed_32_bits(delivery.id)
    with session_lock(DELIVERIES, number, _lease_seconds(config.bus)) as is_only_copy:
        if not is_only_copy:
            return Fate.WAITING
        return _deliver(delivery, notifications, config, put_aside, clock)


def _deliver(
    delivery: Delivery,
    notifications: Sequence[Notification],
    config: Config,
    put_aside: PutAside,
    clock: Clock,
) -> Fate:
    if _has_arrived(delivery.id):
        return Fate.NEEDLESS
    carry = _carrier(delivery, notifications, config.bus)
    if carry is None:
        return _without_subscriber(delivery, put_aside)
    admission = admit(delivery.subscriber, clock(), _lease_seconds(config.bus))
    if admission is Admission.WAIT:
        return Fate.WAITING
    if admission is Admission.HOLD:
        _record(delivery, clock(), DeliveryOutcome.HELD)
        put_aside(_letter(delivery, "suppressed"))
        return Fate.HELD
    failure = _attempt(delivery, carry, config, clock)
    if failure is None:
        return Fate.DELIVERED
    put_aside(_letter(delivery, str(failure)))
    return Fate.FAILED


def send_test(subscriber: str, config: Config, clock: Clock = utc_now) -> ProviderFailure | None:
    """Deliver a test notification at once, even to a subscriber that is suppressed or disabled.

    It counts like any delivery, so one that arrives ends a suppression. One that fails is not
    stored.

    Returns:
        Why it did not arrive; None if it did.

    Raises:
        LookupError: there is no such subscriber.
    """
    notifications: list[Notification] = [
        SubscriberTest(id=uuid4(), occurred_at=clock(), subscriber=subscriber)
    ]
    delivery = Delivery(subscriber, str(uuid4()), to_message(notifications))
    carry = _carrier(delivery, notifications, config.bus, is_test=True)
    if carry is None:
        raise LookupError(f"no subscriber {subscriber}")
    return _attempt(delivery, carry, config, clock)


def carries(kind: str) -> Callable[[FindCarrier], FindCarrier]:
    """Register a function that finds carriers, for the subscribers of a kind.

    Args:
        kind: the first part of their keys, e.g. ``webhook``.
    """

    def register(find: FindCarrier) -> FindCarrier:
        _find_carriers[kind] = find
        return find

    return register


def _carrier(
    delivery: Delivery,
    notifications: Sequence[Notification],
    config: BusConfig,
    *,
    is_test: bool = False,
) -> Carry | None:
    """Return how to make the delivery; None if there is nothing to do."""
    find = _find_carriers.get(delivery.kind)
    return None if find is None else find(delivery, notifications, config, is_test)


def find_row(model: type[_Subscriber], delivery: Delivery, *, is_test: bool) -> _Subscriber | None:
    """Return the row of a delivery's subscriber; None if it is gone, or disabled and not tested."""
    row = model.objects.filter(name=delivery.name).first()
    return row if row is not None and (row.enabled or is_test) else None


@carries("webhook")
def _to_webhook(
    delivery: Delivery,
    notifications: Sequence[Notification],
    config: BusConfig,
    is_test: bool,  # noqa: FBT001 - the signature of all of them
) -> Carry | None:
    webhook = find_row(WebhookSubscriber, delivery, is_test=is_test)
    if webhook is None:
        return None
    return partial(post, webhook, delivery.id, notifications, config)


@carries("handler")
def _to_handler(
    delivery: Delivery,
    notifications: Sequence[Notification],
    config: BusConfig,
    is_test: bool,  # noqa: ARG001, FBT001 - the signature of all of them
) -> Carry | None:
    handler = find_handler(delivery.subscriber)
    if handler is None:
        return None
    call = partial(handler.handle, notifications)
    return lambda _now: call_in_time(delivery.subscriber, call, config.total_timeout_seconds)


def _without_subscriber(delivery: Delivery, put_aside: PutAside) -> Fate:
    """Drop a delivery that nobody wants any more; hold one to an unknown handler.

    Another worker may run a release that has the handler. A replay to a webhook is held too, since
    otherwise it would count as made. One of alerts may be needless.
    """
    if delivery.kind == "handler":
        put_aside(_letter(delivery, "this worker has no such handler"))
        return Fate.HELD
    if delivery.kind == "webhook" and delivery.replay is not None:
        put_aside(_letter(delivery, "the webhook is disabled or removed"))
        return Fate.HELD
    return Fate.NEEDLESS


def _attempt(
    delivery: Delivery, carry: Carry, config: Config, clock: Clock
) -> ProviderFailure | None:
    """Attempt a delivery once and record the outcome."""
    notifications = len(delivery.notifications)
    with operation("bus", "delivery", subscriber=delivery.subscriber, events=notifications) as op:
        op.add(delivery_id=delivery.id)
        failure, breaker = _carry_out(delivery, carry, config, clock)
        if failure is not None:
            _log_failure(op, failure, breaker)
    return failure


def _log_failure(op: Operation, failure: ProviderFailure, breaker: Breaker) -> None:
    """Log a failure; of a long row of failures of one subscriber, log a sample."""
    op.status = "timeout" if failure.code == "timeout" else "failed"
    op.error = failure.__cause__
    op.add(
        kind=failure.kind,
        code=failure.code,
        reason=one_line(str(failure)),
        failures_in_a_row=breaker.failures,
    )
    if breaker.retry_at is not None:
        op.add(suppressed_until=breaker.retry_at.isoformat())
    if not is_logged(breaker.failures):
        op.silence()


def is_logged(failures_in_a_row: int) -> bool:
    """Return True if this failure in a row is logged: the 1st, 5th, 25th, then every 100th.

    >>> [n for n in range(1, 310) if is_logged(n)]
    [1, 5, 25, 100, 200, 300]
    """
    return failures_in_a_row in _LOGGED_FAILURES or (
        failures_in_a_row > 0 and failures_in_a_row % _LOGGED_EVERY == 0
    )


def _carry_out(
    delivery: Delivery, carry: Carry, config: Config, clock: Clock
) -> tuple[ProviderFailure | None, Breaker]:
    started_at, started = clock(), time.perf_counter()
    failure = None
    try:
        carry(started_at)
    except ProviderFailure as error:
        failure = error
    seconds = time.perf_counter() - started
    # A permanent failure of one delivery says nothing of the next, whose content differs.
    call = (
        CallOutcome(seconds)
        if failure is None
        else CallOutcome(seconds, "transient", one_line(str(failure)))
    )
    breaker = note(delivery.subscriber, config.suppression, call, clock())
    _record(delivery, started_at, DeliveryOutcome.DELIVERED, seconds * 1_000, failure)
    return failure, breaker


def _record(
    delivery: Delivery,
    started_at: datetime,
    outcome: DeliveryOutcome,
    duration_ms: float = 0.0,
    failure: ProviderFailure | None = None,
) -> None:
    run = DeliveryRun(
        delivery_id=delivery.id,
        subscriber=delivery.subscriber,
        started_at=started_at,
        outcome=outcome,
        events=len(delivery.notifications),
        duration_ms=duration_ms,
    )
    if failure is not None:
        run.outcome = DeliveryOutcome.FAILED
        run.failure_kind = failure.kind
        run.failure_code = failure.code[:64]
        run.failure_message = one_line(str(failure))
    # The same delivery may have arrived twice at once: record its arrival once.
    DeliveryRun.objects.bulk_create([run], ignore_conflicts=True)


def _letter(delivery: Delivery, reason: str) -> Letter:
    """Return the dead letter of a delivery, whose replay makes the delivery again.

    All letters of a subscriber have one fingerprint: what differs in the message is quoted.
    """
    quoted = reason.replace("'", "’")
    return Letter(
        kind=Kind.DELIVERY,
        task=DELIVER,
        args=[delivery.subscriber, delivery.id, delivery.notifications],
        queue="deliver",
        replay=delivery.replay,
        message=f"{delivery.subscriber} missed a delivery: '{quoted}'",
    )


def _has_arrived(delivery_id: str) -> bool:
    arrived = DeliveryRun.objects.filter(delivery_id=delivery_id, outcome=DeliveryOutcome.DELIVERED)
    return arrived.exists()


def _lease_seconds(config: BusConfig) -> float:
    return config.total_timeout_seconds + RECORDING_SECONDS
