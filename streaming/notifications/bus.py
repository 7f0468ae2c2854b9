"""The event bus: what happened goes to whoever wants to know, one message a subscriber.

Publishing looks nobody up while it is busy: who subscribes to what is read once a second at most
(`route_cache_ms`), so a webhook that is added or changed is noticed by every process within that
time. One that is disabled or removed gets nothing from the moment of its change: its deliveries ask
again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast
from uuid import uuid4

from celery import current_app
from django.db import transaction
from redis.exceptions import RedisError

from betting.config import get_config
from betting.db.redis import redis_client
from betting.logs import operation
from streaming.core.events import DeadletterAdded, Event, to_message
from streaming.core.routing import Filter, Route, batches
from streaming.core.texts import one_line
from streaming.models import WebhookSubscriber
from streaming.notifications.handlers import handler_routes

logger = logging.getLogger(__name__)

DELIVER = "streaming.deliver"
"""The task that delivers; sent by its name, for it stands above this module."""

_QUEUE = "deliver"
_DROPPED = "hardline:deliver:dropped"

MISSED = "delivery"
"""The kind of a dead letter that holds a delivery."""

Message = tuple[str, str, list[dict[str, object]]]
"""A subscriber's key, the delivery's id, and the events as JSON values."""


@dataclass(frozen=True, slots=True)
class _Known:
    """Who subscribed, as of a moment on the monotonic clock."""

    routes: tuple[Route, ...]
    until: float


_known = _Known((), 0.0)


def publish(events: Iterable[Event]) -> None:
    """Send events to those who want them, once the transaction that is open has committed.

    Outside a transaction they are sent at once; what is rolled back is never sent. A process that
    dies between the commit and the sending takes the announcement with it, never the fact.

    Raises:
        kombu.exceptions.OperationalError: the broker is away, and no transaction is open.
    """
    told = [event for event in events if not _is_about_a_delivery(event)]
    size = get_config().bus.message_events
    messages: list[Message] = [
        (subscriber, str(uuid4()), to_message(batch))
        for subscriber, batch in batches(told, routes(), size)
    ]
    if messages:
        transaction.on_commit(partial(_send, messages))


def tell(*events: Event) -> None:
    """Publish events about a fault, which must not become another one: never raises.

    Where the broker or the database is away as well, nobody is told.
    """
    try:
        publish(events)
    except Exception as error:  # noqa: BLE001 - whatever is away, what is told of has happened
        logger.warning("%s is not told: %s", ", ".join(map(_type, events)), one_line(str(error)))


def is_wanted(*types: str) -> bool:
    """Whether anybody may want an event of one of these types.

    Asked before events are put together, so that nobody's news costs nothing.
    """
    return any(route.filter.wants_type(*types) for route in routes())


def routes() -> tuple[Route, ...]:
    """Every enabled subscriber, as of `route_cache_ms` ago at most."""
    global _known  # noqa: PLW0603 - replaced as a whole; two threads that both do it agree
    known = _known
    if time.monotonic() >= known.until:
        until = time.monotonic() + get_config().bus.route_cache_ms / 1000
        known = _known = _Known((*handler_routes(), *_webhook_routes()), until)
    return known.routes


def forget_routes() -> None:
    """Ask the database anew at the next event: a change made in this process shows at once."""
    global _known  # noqa: PLW0603 - as above
    _known = _Known((), 0.0)


def _webhook_routes() -> list[Route]:
    webhooks = WebhookSubscriber.objects.filter(enabled=True)
    return [
        Route(each.key, Filter(frozenset(each.types), frozenset(each.sports), each.min_ev))
        for each in webhooks
    ]


def dropped_deliveries() -> int:
    """Deliveries that found their queue full, since Redis was set up."""
    return int(cast("bytes | None", redis_client().get(_DROPPED)) or 0)


def _send(messages: Sequence[Message]) -> None:
    with operation("bus", "event_emit") as op:
        room = _room()
        for message in messages[:room]:
            current_app.send_task(DELIVER, message)
            op.count(messages=1, events=len(message[2]))
        if dropped := len(messages[room:]):
            redis_client().incrby(_DROPPED, dropped)
            op.status = "degraded"
            op.add(dropped=dropped)


def _room() -> int:
    """How many more deliveries may wait; two that publish at once may both be told of the same.

    With Redis away it is the sending that says so.
    """
    most = get_config().bus.max_waiting
    try:
        return max(most - redis_client().llen(_QUEUE), 0)
    except RedisError:
        return most


def _type(event: Event) -> str:
    return str(event.__struct_config__.tag)


def _is_about_a_delivery(event: Event) -> bool:
    """Whether telling of it could fail and so bring about the same event, for ever."""
    return isinstance(event, DeadletterAdded) and event.kind == MISSED
