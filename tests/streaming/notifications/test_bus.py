"""Publishing: who is told of what, when, and at what cost."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from redis import Redis

from betting.config import get_config
from streaming.core.notifications import LineMajor, Notification
from streaming.health.servers import look_at_redis
from streaming.models import WebhookSubscriber
from streaming.notifications import bus, handlers
from streaming.notifications.handlers import subscriber
from tests.support.logs import lines_of
from tests.support.notifications import circuit_opened, deadletter_added, edge_opened, line_major
from tests.support.rows import make_webhook

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the handlers that a test registers."""
    monkeypatch.setattr(handlers, "_handlers", {})


def sent(redis: Redis) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """The arguments of every delivery on the broker, oldest first."""
    found = []
    for raw in reversed(redis.lrange("deliver", 0, -1)):
        envelope = json.loads(raw)
        assert envelope["headers"]["task"] == "streaming.deliver"
        args, _, _ = json.loads(base64.b64decode(envelope["body"]))
        found.append(tuple(args))
    return found


def test_a_subscriber_gets_one_message_with_all_it_wants_of_a_batch(redis: Redis) -> None:
    edges = make_webhook(types=["edge.opened"], min_ev=0.03)
    everything = make_webhook()
    make_webhook(types=["health.changed"])
    make_webhook(enabled=False)
    batch: list[Notification] = [edge_opened(ev=0.05), line_major(), edge_opened(ev=0.01)]

    bus.publish(batch)

    by_subscriber = {key: notifications for key, _, notifications in sent(redis)}
    assert {
        key: [notification["id"] for notification in notifications]
        for key, notifications in by_subscriber.items()
    } == {
        edges.key: [str(batch[0].id)],
        everything.key: [str(notification.id) for notification in batch],
    }
    ids = [UUID(delivery) for _, delivery, _ in sent(redis)]
    assert len(set(ids)) == 2


def test_a_large_batch_is_split_into_messages_of_bounded_size(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus, "MESSAGE_EVENTS", 3)
    make_webhook()
    bus.publish(line_major(version=number) for number in range(8))
    assert [
        [notification["version"] for notification in notifications]
        for _, _, notifications in sent(redis)
    ] == [
        [0, 1, 2],
        [3, 4, 5],
        [6, 7],
    ]


def test_no_more_deliveries_wait_than_may_and_those_beyond_are_counted(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bus, "MESSAGE_EVENTS", 1)
    monkeypatch.setattr(bus, "MAX_WAITING", 3)
    make_webhook()
    for _ in range(2):
        bus.publish(line_major(version=number) for number in range(5))
    assert [notifications[0]["version"] for _, _, notifications in sent(redis)] == [0, 1, 2]
    assert look_at_redis(get_config()).deliveries_dropped == 7
    dropped = [line["dropped"] for line in lines_of(caplog.records, "bus") if "dropped" in line]
    assert dropped == [2, 5]


def test_a_handler_is_a_subscriber_like_any_other(redis: Redis) -> None:
    @subscriber("line.major", sports=["basketball_nba"])
    def tell(notifications: Sequence[Notification]) -> None:
        """Never called here: the worker that delivers does it."""

    bus.forget_routes()
    bus.publish([line_major(), line_major(sport="soccer_epl"), edge_opened()])
    ((key, _, notifications),) = sent(redis)
    assert key == "handler:tell"
    assert [notification["type"] for notification in notifications] == ["line.major"]


def test_a_handler_of_an_unknown_type_or_a_taken_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"did you mean edge\.opened"):
        subscriber("edge.openend")
    subscriber(name="tell")(lambda _events: None)
    with pytest.raises(ValueError, match="already"):
        subscriber(name="tell")(lambda _events: None)


def test_nothing_is_told_of_a_transaction_before_it_has_committed(redis: Redis) -> None:
    make_webhook()
    with transaction.atomic():
        bus.publish([line_major()])
        assert sent(redis) == []
    assert len(sent(redis)) == 1


def test_what_is_rolled_back_is_never_told(redis: Redis) -> None:
    make_webhook()

    def change_and_fail() -> None:
        with transaction.atomic():
            bus.publish([line_major()])
            raise RuntimeError("after publishing")

    with pytest.raises(RuntimeError):
        change_and_fail()
    assert sent(redis) == []


def test_a_letter_about_a_delivery_is_news_to_nobody(redis: Redis) -> None:
    make_webhook()
    bus.publish([deadletter_added(kind="delivery"), deadletter_added(kind="exception")])
    ((_, _, notifications),) = sent(redis)
    assert [notification["kind"] for notification in notifications] == ["exception"]


def test_who_subscribes_is_asked_once_for_many_batches(redis: Redis) -> None:
    webhook = make_webhook()
    bus.forget_routes()
    with CaptureQueriesContext(connection) as captured:
        for _ in range(20):
            bus.publish([line_major(), circuit_opened()])
            assert bus.is_wanted("edge.opened")
    assert len(captured) <= 2  # once, and once more where twenty batches take over a second
    assert {key for key, _, _ in sent(redis)} == {webhook.key}


def test_a_webhook_that_another_process_adds_is_noticed_when_the_memory_is_too_old(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr("streaming.notifications.bus.time.monotonic", lambda: now)
    assert not bus.is_wanted("line.major")
    make_webhook()
    WebhookSubscriber.objects.update(types=["line.major"])
    bus._known = bus._Known((), now + 1.0)  # as a process has it that did not add it
    now += 0.9
    bus.publish([line_major()])
    assert sent(redis) == []
    now += 0.2
    bus.publish([line_major()])
    assert len(sent(redis)) == 1
    assert not bus.is_wanted("edge.opened")


def test_without_subscribers_nothing_is_sent_and_nobody_is_asked_twice(redis: Redis) -> None:
    bus.forget_routes()
    with CaptureQueriesContext(connection) as captured:
        for _ in range(20):
            assert not bus.is_wanted("line.major", "edge.opened")
            bus.publish([line_major()])
    assert len(captured) <= 2
    assert sent(redis) == []


def test_events_keep_their_ids_and_versions_in_the_message(redis: Redis) -> None:
    make_webhook()
    notification = line_major(version=41)
    bus.publish([notification])
    ((_, _, (row,)),) = sent(redis)
    assert (row["id"], row["version"], row["type"]) == (str(notification.id), 41, "line.major")
    assert isinstance(notification, LineMajor)
