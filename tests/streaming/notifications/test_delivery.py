"""Deliveries: what is attempted, what is held back, and what a replay makes good."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from betting.config import Config, get_config
from streaming.core.letters import Letter
from streaming.core.notifications import Notification, to_message
from streaming.dead_letters.capture import record_letter
from streaming.models import (
    DeadLetter,
    DeliveryOutcome,
    DeliveryRun,
    SubscriberRecord,
    WebhookSubscriber,
)
from streaming.notifications import handlers
from streaming.notifications.delivery import Delivery, Fate, deliver, send_test
from streaming.notifications.handlers import subscriber
from streaming.notifications.subscriber_health import Admission, admit, suppressed_subscribers
from tests.support.clock import Clock
from tests.support.logs import lines_of, rendered
from tests.support.notifications import line_major
from tests.support.receiver import Receiver
from tests.support.rows import NOON, make_webhook
from tests.support.sessions import in_another_session

# A letter is stored in a transaction of its own.
pytestmark = pytest.mark.django_db(transaction=True)

DELIVERED, FAILED, HELD = DeliveryOutcome.DELIVERED, DeliveryOutcome.FAILED, DeliveryOutcome.HELD


@pytest.fixture(autouse=True)
def _no_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the handlers that a test registers."""
    monkeypatch.setattr(handlers, "_handlers", {})


@pytest.fixture
def clock() -> Clock:
    return Clock()


def config(**bus: Any) -> Config:
    usual = get_config()
    limits = {"allow_private_networks": True, "total_timeout_seconds": 5.0, **bus}
    return replace(usual, bus=replace(usual.bus, **limits))


def a_delivery(key: str, *notifications: Notification) -> Delivery:
    return Delivery(key, str(uuid4()), to_message(notifications or (line_major(),)))


def at(webhook: WebhookSubscriber, clock: Clock) -> Fate:
    return deliver(a_delivery(webhook.key), config(), record_letter, clock)


def replay_all(clock: Clock) -> list[Fate]:
    """Run the work of every letter again, as its replay does."""
    return [
        deliver(Delivery(*letter.args), config(), record_letter, clock)
        for letter in DeadLetter.objects.order_by("id")
    ]


def outcomes() -> list[str]:
    return list(DeliveryRun.objects.order_by("id").values_list("outcome", flat=True))


def test_a_delivery_leaves_a_row_and_statistics(receiver: Receiver, clock: Clock) -> None:
    webhook = make_webhook(url=receiver.url)
    assert at(webhook, clock) is Fate.DELIVERED

    run = DeliveryRun.objects.get()
    assert (run.subscriber, run.outcome, run.events, run.started_at) == (
        webhook.key, DELIVERED, 1, NOON,
    )  # fmt: skip
    assert run.duration_ms > 0
    record = SubscriberRecord.objects.get()
    assert (record.deliveries, record.failures, record.recent) == (1, 0, ".")
    assert sum(record.latencies) == 1
    assert not DeadLetter.objects.exists()


def test_a_failure_is_recorded_classified_and_put_aside(receiver: Receiver, clock: Clock) -> None:
    receiver.status = 503
    webhook = make_webhook(url=receiver.url)
    delivery = a_delivery(webhook.key)
    assert deliver(delivery, config(), record_letter, clock) is Fate.FAILED

    run = DeliveryRun.objects.get()
    assert (run.outcome, run.failure_kind, run.failure_code) == (FAILED, "transient", "http_503")
    assert SubscriberRecord.objects.get().last_error == "The receiver answered HTTP 503."
    letter = DeadLetter.objects.get()
    assert (letter.kind, letter.task, letter.queue) == ("delivery", "streaming.deliver", "deliver")
    assert letter.args == [webhook.key, delivery.id, delivery.notifications]
    assert letter.is_complete
    assert len(receiver.posts) == 1  # no second attempt within a delivery


def test_a_delivery_that_has_arrived_is_not_made_again(receiver: Receiver, clock: Clock) -> None:
    webhook = make_webhook(url=receiver.url)
    delivery = a_delivery(webhook.key)
    assert deliver(delivery, config(), record_letter, clock) is Fate.DELIVERED
    assert deliver(delivery, config(), record_letter, clock) is Fate.NEEDLESS
    assert len(receiver.posts) == 1
    assert SubscriberRecord.objects.get().deliveries == 1


@pytest.fixture(params=["disabled", "removed"])
def gone(receiver: Receiver, request: pytest.FixtureRequest) -> WebhookSubscriber:
    """A webhook that was there."""
    webhook = make_webhook(url=receiver.url)
    if request.param == "disabled":
        WebhookSubscriber.objects.update(enabled=False)
    else:
        WebhookSubscriber.objects.all().delete()
    return webhook


def test_nothing_goes_to_a_webhook_that_is_gone(
    gone: WebhookSubscriber, receiver: Receiver, clock: Clock
) -> None:
    assert at(gone, clock) is Fate.NEEDLESS
    assert receiver.posts == []
    assert not DeadLetter.objects.exists()


def test_a_replay_to_a_webhook_that_is_gone_stays_a_letter(
    gone: WebhookSubscriber, receiver: Receiver, clock: Clock
) -> None:
    letters: list[Letter] = []
    replayed = replace(a_delivery(gone.key), replay=7)
    assert deliver(replayed, config(), letters.append, clock) is Fate.HELD
    (letter,) = letters
    assert letter.replay == 7
    assert "the webhook is disabled or removed" in letter.message
    assert receiver.posts == []


def test_a_dead_receiver_is_called_no_more_often_than_its_suppressions_allow(
    receiver: Receiver, clock: Clock
) -> None:
    receiver.status = 500
    webhook = make_webhook(url=receiver.url)
    called_at = []
    for _ in range(240):  # four a second, for a minute
        before = len(receiver.posts)
        at(webhook, clock)
        if len(receiver.posts) > before:
            called_at.append((clock.now - NOON).total_seconds())
        clock.advance(0.25)
    # Three failures, then probes 2, 4, 8, 16 s apart: everything fails, so twice 1, 2, 4, 8 s.
    assert called_at == [0, 0.25, 0.5, 2.5, 6.5, 14.5, 30.5]
    assert outcomes().count(HELD) == 240 - 7


def test_what_a_dead_receiver_missed_arrives_by_one_replay_and_nothing_twice(
    receiver: Receiver, clock: Clock
) -> None:
    webhook = make_webhook(url=receiver.url)
    published = []
    for number in range(10):
        receiver.status = 500 if 2 <= number < 8 else 204
        event = line_major(version=number)
        published.append(str(event.id))
        deliver(a_delivery(webhook.key, event), config(), record_letter, clock)
        clock.advance(1)
    assert 0 < DeadLetter.objects.count() <= 8
    # One fingerprint: an operator replays all of them in one go.
    assert DeadLetter.objects.values("fingerprint").distinct().count() == 1

    clock.advance(60)
    assert set(replay_all(clock)) == {Fate.DELIVERED}
    assert sorted(receiver.event_ids()) == sorted(published)

    assert set(replay_all(clock)) == {Fate.NEEDLESS}
    assert sorted(receiver.event_ids()) == sorted(published)
    by_id = {post.id: post for post in receiver.posts}
    for post in receiver.posts:
        # The same delivery is the same notification, byte for byte.
        assert post.body == by_id[post.id].body


def test_a_replay_while_the_subscriber_is_still_suppressed_waits_on(
    receiver: Receiver, clock: Clock
) -> None:
    receiver.status = 500
    webhook = make_webhook(url=receiver.url)
    for _ in range(4):
        at(webhook, clock)
    letters = DeadLetter.objects.count()
    assert set(replay_all(clock)) == {Fate.HELD}
    assert DeadLetter.objects.count() == letters == 4
    assert len(receiver.posts) == 3


def test_replays_are_held_back_while_a_subscriber_is_suppressed_or_probed(
    receiver: Receiver, clock: Clock
) -> None:
    receiver.status = 500
    webhook = make_webhook(url=receiver.url)
    at(webhook, clock)
    assert suppressed_subscribers(clock.now) == frozenset()
    for _ in range(2):
        at(webhook, clock)
    assert suppressed_subscribers(clock.now) == {webhook.key}
    clock.advance(60)
    assert suppressed_subscribers(clock.now) == frozenset()
    admit(webhook.key, clock.now, 10.0)
    assert suppressed_subscribers(clock.now) == {webhook.key}


def test_of_many_workers_one_probes(receiver: Receiver, clock: Clock) -> None:
    receiver.status = 500
    webhook = make_webhook(url=receiver.url)
    for _ in range(3):
        at(webhook, clock)
    clock.advance(60)
    start = threading.Barrier(6)

    def ask() -> Admission:
        try:
            start.wait()
            return admit(webhook.key, clock.now, 10.0)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        answers = [future.result() for future in [pool.submit(ask) for _ in range(6)]]
    assert sorted(answer.value for answer in answers) == ["deliver", *["wait"] * 5]
    assert at(webhook, clock) is Fate.WAITING
    assert len(receiver.posts) == 3
    clock.advance(9.9)
    assert admit(webhook.key, clock.now, 10.0) is Admission.WAIT
    clock.advance(0.1)  # the probe's worker died: its lease is over
    assert admit(webhook.key, clock.now, 10.0) is Admission.DELIVER


def test_the_failures_of_parallel_deliveries_are_all_counted(
    receiver: Receiver, clock: Clock
) -> None:
    receiver.status = 500
    webhook = make_webhook(url=receiver.url)

    def one() -> None:
        try:
            at(webhook, clock)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(one) for _ in range(8)]:
            future.result()
    record = SubscriberRecord.objects.get()
    assert record.deliveries == record.failures == len(receiver.posts) >= 3
    assert record.suppressions == 1
    assert DeadLetter.objects.count() == 8


def test_a_copy_of_a_delivery_waits_until_the_first_has_ended(clock: Clock) -> None:
    heard: list[Notification] = []
    fates: list[Fate] = []

    @subscriber("line.major", name="tell")
    def tell(events: Sequence[Notification]) -> None:
        heard.extend(events)
        if len(heard) == 1:
            fates.append(in_another_session(again))

    def again() -> Fate:
        return deliver(delivery, config(), record_letter, clock)

    delivery = a_delivery("handler:tell")
    assert again() is Fate.DELIVERED
    assert (len(heard), fates) == (1, [Fate.WAITING])
    assert deliver(delivery, config(), record_letter, clock) is Fate.NEEDLESS


def test_a_delivery_that_fails_can_be_made_again_at_once(receiver: Receiver, clock: Clock) -> None:
    receiver.status = 500
    at(make_webhook(url=receiver.url), clock)
    receiver.status = 204
    assert replay_all(clock) == [Fate.DELIVERED]


def test_a_handler_is_called_with_typed_events(clock: Clock) -> None:
    heard: list[Notification] = []
    subscriber("line.major", name="tell")(heard.extend)
    event = line_major()
    assert (
        deliver(a_delivery("handler:tell", event), config(), record_letter, clock) is Fate.DELIVERED
    )
    assert heard == [event]


@pytest.mark.parametrize("error", [ValueError("no such desk"), SystemExit(1)])
def test_what_a_handler_raises_is_its_own_failure_and_nobody_elses(
    clock: Clock, error: BaseException
) -> None:
    heard: list[Notification] = []

    def fail(_events: Sequence[Notification]) -> None:
        raise error

    subscriber(name="broken")(fail)
    subscriber(name="well")(heard.extend)
    for _ in range(5):
        deliver(a_delivery("handler:broken"), config(), record_letter, clock)
        assert deliver(a_delivery("handler:well"), config(), record_letter, clock) is Fate.DELIVERED
    assert len(heard) == 5
    assert {letter.args[0] for letter in DeadLetter.objects.all()} == {"handler:broken"}
    assert DeadLetter.objects.count() == 5
    run = DeliveryRun.objects.filter(outcome=FAILED).latest("id")
    assert run.failure_code == type(error).__name__


def test_a_handler_that_hangs_is_left_behind_at_the_deadline(clock: Clock) -> None:
    released = threading.Event()

    def hang(_events: Sequence[Notification]) -> None:
        released.wait(30)

    subscriber(name="slow")(hang)
    try:
        outcome = deliver(
            a_delivery("handler:slow"), config(total_timeout_seconds=0.2), record_letter, clock
        )
    finally:
        released.set()
    assert outcome is Fate.FAILED
    assert DeliveryRun.objects.get().failure_code == "timeout"


def test_a_handler_that_hangs_is_not_called_again_until_it_has_ended(clock: Clock) -> None:
    calls: list[threading.Thread] = []
    released = threading.Event()

    def hang(_events: Sequence[Notification]) -> None:
        calls.append(threading.current_thread())
        released.wait(30)

    subscriber(name="stuck")(hang)
    brief = config(total_timeout_seconds=0.2)
    try:
        for _ in range(2):
            assert deliver(a_delivery("handler:stuck"), brief, record_letter, clock) is Fate.FAILED
        assert len(calls) == 1
    finally:
        released.set()
    calls[0].join()
    assert deliver(a_delivery("handler:stuck"), config(), record_letter, clock) is Fate.DELIVERED
    assert len(calls) == 2


def test_what_a_handler_knows_as_a_secret_reaches_no_row_and_no_log(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_events: Sequence[Notification]) -> None:
        raise ValueError("GET https://desk.example/?token=swordfish refused")

    subscriber(name="leaky")(fail)
    assert deliver(a_delivery("handler:leaky"), config(), record_letter, clock) is Fate.FAILED
    told = [
        DeliveryRun.objects.get().failure_message,
        SubscriberRecord.objects.get().last_error,
        DeadLetter.objects.get().message,
        "\n".join(rendered(caplog.records)),
    ]
    assert all("desk.example" in text for text in told)
    assert not any("swordfish" in text for text in told)


def test_what_a_handler_of_another_release_misses_is_put_aside_for_it(clock: Clock) -> None:
    assert deliver(a_delivery("handler:newer"), config(), record_letter, clock) is Fate.HELD
    heard: list[Notification] = []
    subscriber(name="newer")(heard.extend)
    assert replay_all(clock) == [Fate.DELIVERED]
    assert len(heard) == 1


def test_the_log_of_one_failing_subscriber_is_sampled(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_events: Sequence[Notification]) -> None:
        raise ValueError("no such desk")

    subscriber(name="broken")(fail)
    with caplog.at_level(logging.INFO):
        for _ in range(30):
            deliver(a_delivery("handler:broken"), config(), record_letter, clock)
            clock.advance(60)
    # Its letters are silent: their number is the log's business least of all.
    said = lines_of(caplog.records)
    assert [line["failures_in_a_row"] for line in said] == [1, 5, 25]
    assert all("no such desk" in repr(line["exc_info"]) for line in said)


def test_a_test_event_arrives_though_the_subscriber_is_suppressed_and_ends_that(
    receiver: Receiver, clock: Clock
) -> None:
    receiver.status = 500
    webhook = make_webhook(url=receiver.url, types=["line.major"])
    for _ in range(3):
        at(webhook, clock)
    failure = send_test(webhook.key, config(), clock)
    assert failure is not None
    assert failure.code == "http_500"
    assert DeadLetter.objects.count() == 3  # a test that fails is not put aside

    receiver.status = 204
    assert send_test(webhook.key, config(), clock) is None
    assert receiver.taken()[0].events[0]["type"] == "subscriber.test"
    assert at(webhook, clock) is Fate.DELIVERED


def test_a_test_of_nobody_is_refused(clock: Clock) -> None:
    with pytest.raises(LookupError, match="no subscriber"):
        send_test("webhook:nobody", config(), clock)


def test_a_receiver_that_got_versions_out_of_order_can_tell(
    receiver: Receiver, clock: Clock
) -> None:
    webhook = make_webhook(url=receiver.url)
    for version in (1, 3, 2):
        deliver(
            a_delivery(webhook.key, line_major(version=version)), config(), record_letter, clock
        )
    newest: dict[int, int] = {}
    applied = []
    for post in receiver.posts:
        for notification in post.events:
            if notification["version"] > newest.get(notification["market_id"], 0):
                newest[notification["market_id"]] = notification["version"]
                applied.append(notification["version"])
    assert applied == [1, 3]
