"""The outbox: what is due to each subscriber is written down, and then sent as deliveries.

A row is written in the transaction that decides, and its message goes out after the commit. If that
message is lost, the row is still unsent, and it is sent again under the same delivery id.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Max, Q

from betting.logs import note
from streaming.alerts.edges import gone_edges, new_edges
from streaming.alerts.operations import health_alerts, letter_alerts
from streaming.core.alerts import is_digest_due, messages_of
from streaming.core.notifications import AlertDue, to_message
from streaming.models import Alert, AlertSubscriber, AlertTopic, DeliveryRun
from streaming.notifications.bus import send_messages

MOST_A_MINUTE = 5
"""The most messages of a minute; more alerts than are left of them go into one, as in a digest."""

MOST_LISTED = 10
"""The most new edges that one message lists, best first, and gone ones; it counts the others."""

LOST_SECONDS, LOST_DAYS = 60.0, 1
"""A message that no delivery knows of is sent again every so many seconds.

No longer than so many days: deliveries themselves are forgotten then.
"""


def send_due(now: datetime) -> int:
    """Claim what is due to each subscriber and send it.

    Args:
        now: the time.

    Returns:
        The number of messages.

    Raises:
        Exception: the first error, once all subscribers have had their turn.
    """
    messages = 0
    errors: list[Exception] = []
    for subscriber in AlertSubscriber.objects.filter(enabled=True):
        wants_both = subscriber.wants_operations and subscriber.wants_edges
        # To look at edges takes the longest, and a slow database is what operators are paged for.
        for with_edges in (True, False) if wants_both else (True,):
            try:
                messages += _send_due_to(subscriber.pk, now, with_edges=with_edges)
                break
            except Exception as error:  # noqa: BLE001 - one that fails holds up no other
                words = f"alerts are not sent to {subscriber.key}"
                note("bus", "event_emit", words, status="failed", error=error)
                errors.append(error)
    if errors:
        raise errors[0]
    return messages


def _send_due_to(pk: int, now: datetime, *, with_edges: bool) -> int:
    with transaction.atomic():
        # Two at once would decide on the same rows; the second leaves it to the first.
        locked = AlertSubscriber.objects.select_for_update(skip_locked=True)
        subscriber = locked.filter(pk=pk, enabled=True).first()
        if subscriber is None or subscriber.is_quiet(now):
            return 0
        messages = [*_lost(subscriber, now), *_claim(subscriber, now, with_edges=with_edges)]
        if messages:
            transaction.on_commit(partial(_send, subscriber.key, messages, now))
    return len(messages)


def _claim(
    subscriber: AlertSubscriber, now: datetime, *, with_edges: bool
) -> list[tuple[UUID, list[int]]]:
    """Write down what is due; return each message's delivery id and alerts."""
    of_subscriber = Alert.objects.filter(subscriber=subscriber)
    last = of_subscriber.aggregate(at=Max("claimed_at"))["at"] or subscriber.created_at
    lately = of_subscriber.filter(claimed_at__gt=now - timedelta(minutes=1))
    room = MOST_A_MINUTE - lately.values("delivery_id").distinct().count()
    if room <= 0 or not is_digest_due(now, last, subscriber.digest_minutes):
        return []
    due = _due(subscriber, now, with_edges=with_edges)
    # What came in quiet hours is one message, however few.
    is_joined = subscriber.digest_minutes > 0 or any(
        subscriber.is_quiet(alert.happened_at) for alert in due
    )
    messages = []
    for alerts in messages_of(due, room, is_joined=is_joined):
        delivery_id = uuid4()
        for alert in alerts:
            alert.delivery_id, alert.claimed_at = delivery_id, now
        for topic in (AlertTopic.EDGE, AlertTopic.GONE):
            for alert in [each for each in alerts if each.topic == topic][MOST_LISTED:]:
                alert.is_listed = False
        written = Alert.objects.bulk_create(alerts)
        messages.append((delivery_id, [alert.pk for alert in written]))
    return messages


def _due(subscriber: AlertSubscriber, now: datetime, *, with_edges: bool) -> list[Alert]:
    due: list[Alert] = []
    if subscriber.wants_operations:
        due += [*health_alerts(subscriber, now), *letter_alerts(subscriber, now)]
    if with_edges and subscriber.wants_edges:
        due += [*new_edges(subscriber, now), *gone_edges(subscriber, now)]
    return due


def _lost(subscriber: AlertSubscriber, now: datetime) -> list[tuple[UUID, list[int]]]:
    """Return the messages that were claimed and that no delivery knows of."""
    since = now - timedelta(seconds=LOST_SECONDS)
    unsent = Alert.objects.filter(
        Q(resent_at__isnull=True) | Q(resent_at__lt=since),
        subscriber=subscriber,
        sent_at__isnull=True,
        claimed_at__lt=since,
        claimed_at__gt=now - timedelta(days=LOST_DAYS),
    )
    messages: dict[UUID, list[int]] = defaultdict(list)
    for delivery_id, pk in unsent.order_by("id").values_list("delivery_id", "pk"):
        messages[delivery_id].append(pk)
    # Those that failed or were held are dead letters, whose replay sends them.
    known = DeliveryRun.objects.filter(subscriber=subscriber.key, delivery_id__in=list(messages))
    for delivery_id in known.values_list("delivery_id", flat=True):
        messages.pop(delivery_id, None)
    unsent.filter(delivery_id__in=list(messages)).update(resent_at=now)
    return list(messages.items())


def _send(key: str, messages: Iterable[tuple[UUID, list[int]]], now: datetime) -> None:
    send_messages(
        [
            (
                key,
                str(delivery_id),
                to_message([AlertDue(id=delivery_id, occurred_at=now, alerts=tuple(alert_ids))]),
            )
            for delivery_id, alert_ids in messages
        ]
    )
