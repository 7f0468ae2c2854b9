"""The notification bus: what happened is sent to its subscribers, one message to each.

Publishing costs no look-up per event: the subscriptions are read once a second at most,
so every process notices a webhook that is added or changed within that time. A webhook that is
disabled or removed gets nothing from that moment on, because its deliveries check again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

from celery import current_app
from django.db import transaction

from betting.db.broker import waiting_messages
from betting.db.outages import BROKER_OUTAGES
from betting.db.redis import redis_client
from betting.logs import operation
from streaming.core.notifications import DeadletterAdded, Notification, to_message
from streaming.core.routing import Filter, Route, batches
from streaming.core.texts import one_line
from streaming.models import WebhookSubscriber
from streaming.notifications.handlers import handler_routes

logger = logging.getLogger(__name__)

DELIVER = "streaming.deliver"
"""The task that delivers; sent by its name, because it stands above this module."""

_QUEUE = "deliver"
DROPPED = "hardline:deliver:dropped"

ROUTE_CACHE_SECONDS = 1.0
"""How long a process may not yet see a subscriber that was added or changed."""

MESSAGE_EVENTS = 100
"""The most events in one delivery: all of them fit into one dead letter."""

MAX_WAITING = 10_000
"""The most deliveries that wait in their queue; more, which would come late, are dropped."""

MISSED = "delivery"
"""The kind of a dead letter that holds a delivery."""

Message = tuple[str, str, list[dict[str, object]]]
"""A subscriber's key, the delivery's id, and the notifications as JSON values."""


@dataclass(frozen=True, slots=True)
class _Known:
    """The subscriptions, and until when on the monotonic clock they are valid."""

    routes: tuple[Route, ...]
    until: float


_known = _Known((), 0.0)


def publish(notifications: Iterable[Notification]) -> None:
    """Send notifications to their subscribers, once the open transaction has committed.

    Outside a transaction they are sent at once; what is rolled back is never sent. If a process
    dies between the commit and the sending, the notification is lost, but not what it is about.

    Raises:
        kombu.exceptions.OperationalError: the broker is away, and no transaction is open.
    """
    wanted = [each for each in notifications if not _is_about_a_delivery(each)]
    messages: list[Message] = [
        (subscriber, str(uuid4()), to_message(batch))
        for subscriber, batch in batches(wanted, routes(), MESSAGE_EVENTS)
    ]
    if messages:
        transaction.on_commit(partial(send_messages, messages))


def announce(*notifications: Notification) -> None:
    """Publish notifications about a fault without ever raising: that must not cause another fault.

    If the broker or the database is away as well, nothing is sent.
    """
    try:
        publish(notifications)
    except Exception as error:  # noqa: BLE001 - the fault itself must still be handled
        names = ", ".join(map(_type, notifications))
        logger.warning("the bus cannot send %s: %s", names, one_line(str(error)))


def is_wanted(*types: str) -> bool:
    """Return True if any subscriber may want a notification of one of these types.

    Asked before notifications are built, so that those without subscribers cost nothing.
    """
    return any(route.filter.wants_type(*types) for route in routes())


def routes() -> tuple[Route, ...]:
    """Return every enabled subscriber, as of `ROUTE_CACHE_SECONDS` ago at most."""
    global _known  # noqa: PLW0603 - replaced as a whole; two threads that both do it agree
    known = _known
    if time.monotonic() >= known.until:
        until = time.monotonic() + ROUTE_CACHE_SECONDS
        known = _known = _Known((*handler_routes(), *_webhook_routes()), until)
    return known.routes


def forget_routes() -> None:
    """Read the subscriptions again when next needed: a change in this process shows at once."""
    global _known  # noqa: PLW0603 - as above
    _known = _Known((), 0.0)


def _webhook_routes() -> list[Route]:
    webhooks = WebhookSubscriber.objects.filter(enabled=True)
    return [
        Route(each.key, Filter(frozenset(each.types), frozenset(each.sports), each.min_ev))
        for each in webhooks
    ]


def send_messages(messages: Sequence[Message]) -> None:
    """Send messages to subscribers; those that find the queue full are dropped and counted.

    Raises:
        kombu.exceptions.OperationalError: the broker is away.
    """
    with operation("bus", "event_emit") as op:
        room = _room()
        for message in messages[:room]:
            current_app.send_task(DELIVER, message)
            op.count(messages=1, events=len(message[2]))
        if dropped := len(messages[room:]):
            redis_client().incrby(DROPPED, dropped)
            op.status = "degraded"
            op.add(dropped=dropped)


def _room() -> int:
    """Return how many more deliveries may wait; concurrent publishers may get the same room.

    If the broker is away, the sending raises that instead.
    """
    try:
        return max(MAX_WAITING - waiting_messages([_QUEUE])[_QUEUE], 0)
    except BROKER_OUTAGES:
        return MAX_WAITING


def _type(notification: Notification) -> str:
    return str(notification.__struct_config__.tag)


def _is_about_a_delivery(notification: Notification) -> bool:
    """Return True for what is about a delivery: its own delivery could fail, and so on for ever."""
    return isinstance(notification, DeadletterAdded) and notification.kind == MISSED
