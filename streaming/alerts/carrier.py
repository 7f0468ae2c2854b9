"""The carrier of alerts: what is still true is put into words, and sent through Apprise.

An edge is judged again before it is sent. One that no longer stands is left out, and its row is
deleted, so that it is sent when it stands again. An alert on a check or a cause is deleted if there
is a later one on the same: a replay hours later must not send it as news.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db.models import Exists, OuterRef, QuerySet

from betting.config import BusConfig, Config
from betting.db.clock import database_now
from streaming.alerts import texts
from streaming.alerts.edges import facts_of, standing_among, with_bets
from streaming.core.failures import ProviderFailure
from streaming.core.message_parts import Part
from streaming.core.notifications import AlertDue, Notification, SubscriberTest
from streaming.models import Alert, AlertSubscriber, AlertTopic
from streaming.notifications import apprise_service
from streaming.notifications.delivery import Carry, Delivery, carries, find_row, send_test
from streaming.notifications.in_time import call_in_time
from valuation.models import Edge
from valuation.vouching import JudgedEdge

KIND = "alert"

_PARTS = (
    ((AlertTopic.HEALTH, AlertTopic.LETTERS), "for operators"),
    ((AlertTopic.EDGE,), "on the board"),
    ((AlertTopic.GONE,), "gone"),
)
"""The parts of a message in their order, and the words for what a part only counts."""


@dataclass(frozen=True, slots=True)
class _Message:
    """A message as it is sent: its first line, its parts, and the rows that it covers."""

    title: str
    parts: tuple[Part, ...]
    alert_ids: tuple[int, ...] = ()


@carries(KIND)
def find_carrier(
    delivery: Delivery,
    notifications: Sequence[Notification],
    config: BusConfig,
    is_test: bool,  # noqa: FBT001 - the signature of all of them
) -> Carry | None:
    """Return how to send alerts; None if the subscriber is gone, or nothing is left to say."""
    subscriber = find_row(AlertSubscriber, delivery, is_test=is_test)
    if subscriber is None:
        return None
    if any(isinstance(each, SubscriberTest) for each in notifications):
        message = _Message("Hardline", (Part(("This is a test.",)),))
        return partial(_carry, subscriber, message, config)
    alert_ids = [pk for each in notifications if isinstance(each, AlertDue) for pk in each.alerts]
    found = _message(subscriber, alert_ids, database_now())
    return None if found is None else partial(_carry, subscriber, found, config)


def test(subscriber: AlertSubscriber, config: Config) -> ProviderFailure | None:
    """Send a test message at once; return why it was not sent, or None."""
    return send_test(subscriber.key, config)


def _carry(
    subscriber: AlertSubscriber, message: _Message, config: BusConfig, now: datetime
) -> None:
    """Send a message, and write down that it was.

    Raises:
        ProviderFailure: it was not sent in time, or the service did not take it.
    """
    url = subscriber.url  # read here: the thread that sends needs no database
    send = partial(apprise_service.send, url, message.title, message.parts, config)
    call_in_time(subscriber.key, send, config.total_timeout_seconds)
    Alert.objects.filter(pk__in=message.alert_ids).update(sent_at=now)


def _message(
    subscriber: AlertSubscriber, alert_ids: Sequence[int], now: datetime
) -> _Message | None:
    """Return the message of some of its alerts; None if none is both unsent and still true."""
    of_subscriber = Alert.objects.filter(subscriber=subscriber)
    unsent = of_subscriber.filter(pk__in=alert_ids, sent_at__isnull=True)
    unsent.filter(_has_newer(of_subscriber)).delete()
    alerts = list(unsent.order_by("id"))
    edges = with_bets(alert.edge_id for alert in alerts if alert.edge_id is not None)
    to_judge = [alert.edge_id for alert in alerts if alert.topic == AlertTopic.EDGE]
    judged = {
        pk: standing
        for pk, standing in standing_among([pk for pk in to_judge if pk], subscriber.rules).items()
        if pk in edges and subscriber.rules.accept(facts_of(edges[pk]), now)
    }
    obsolete = [alert for alert in alerts if not _is_true(alert, edges, judged)]
    Alert.objects.filter(pk__in=[alert.pk for alert in obsolete]).delete()
    left = [alert for alert in alerts if alert not in obsolete]
    return _in_words(left, edges, judged, now) if left else None


def _has_newer(of_subscriber: QuerySet[Alert]) -> Exists:
    """Return the condition that a later alert gives the state of the same check or cause."""
    return Exists(
        of_subscriber.filter(
            edge_id__isnull=True,
            topic=OuterRef("topic"),
            about=OuterRef("about"),
            pk__gt=OuterRef("pk"),
        )
    )


def _is_true(alert: Alert, edges: dict[int, Edge], judged: dict[int, JudgedEdge]) -> bool:
    if alert.topic == AlertTopic.EDGE:
        return alert.edge_id in judged
    return alert.edge_id is None or alert.edge_id in edges


def _in_words(
    alerts: Sequence[Alert],
    edges: dict[int, Edge],
    judged: dict[int, JudgedEdge],
    now: datetime,
) -> _Message:
    pks = tuple(alert.pk for alert in alerts)
    if len(alerts) == 1:
        title, text = _line(alerts[0], edges, judged, now)
        return _Message(title or "Hardline", (Part((text,)),), pks)
    parts = tuple(
        _part([each for each in alerts if each.topic in topics], words, edges, judged, now)
        for topics, words in _PARTS
    )
    return _Message(_title(len(judged), len(alerts) - len(judged)), parts, pks)


def _part(
    alerts: Sequence[Alert],
    words: str,
    edges: dict[int, Edge],
    judged: dict[int, JudgedEdge],
    now: datetime,
) -> Part:
    """Return the alerts of one kind: the lines of those that are listed, and how many are not."""
    lines = tuple(
        " — ".join(filter(None, _line(alert, edges, judged, now)))
        for alert in alerts
        if alert.is_listed
    )
    return Part(lines, len(alerts) - len(lines), words)


def _line(
    alert: Alert, edges: dict[int, Edge], judged: dict[int, JudgedEdge], now: datetime
) -> tuple[str, str]:
    """Return an alert's headline, which may be empty, and its text."""
    if alert.edge_id is None:
        return "", alert.text
    edge = edges[alert.edge_id]
    if alert.topic == AlertTopic.GONE:
        return "", texts.gone(edge)
    standing = judged[alert.edge_id]
    details = texts.details(
        edge, now, is_in_play=standing.is_in_play, advised=standing.current_advised
    )
    return texts.headline(edge), details


def _title(new_edges: int, others: int) -> str:
    """Return the first line of a message of many.

    >>> _title(1, 0), _title(12, 3), _title(0, 2)
    ('Hardline: 1 new edge', 'Hardline: 12 new edges', 'Hardline: 2 alerts')
    """
    if new_edges == 0:
        return f"Hardline: {others} alerts"
    return f"Hardline: {new_edges} new edge{'s' if new_edges > 1 else ''}"
