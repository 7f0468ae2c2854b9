"""Events through a real worker process: one that fails keeps nothing from the others."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from django.db.models import QuerySet
from django.utils import timezone

from betting.config import Config
from betting.runtime.supervisor import Supervisor
from streaming.dead_letters import replay
from streaming.models import DeadLetter, DeadLetterAction, DeliveryRun, SubscriberRecord
from streaming.notifications import bus, handlers
from streaming.runner.processes import deliverers
from tests.integration.conftest import running, wait_until
from tests.support.notifications import line_major
from tests.support.receiver import Receiver, running_receiver
from tests.support.rows import make_webhook

BATCHES = 6

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("deliverer")]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as receiver:
        yield receiver


@pytest.fixture
def deliverer(
    servers: Config,
    redis: object,  # noqa: ARG001 - asks for a fixture
    transactional_db: None,  # noqa: ARG001 - the worker must see what is committed
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Supervisor]:
    """The delivering worker, which knows the handlers of `tests.integration.subscribing`."""
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tests.integration.subscribing.settings")
    monkeypatch.setenv("HARDLINE_BUS_ALLOW_PRIVATE_NETWORKS", "true")
    monkeypatch.setattr(handlers, "_handlers", {})
    sys.modules.pop("tests.integration.subscribing.subscribers", None)
    import_module("tests.integration.subscribing.subscribers")
    bus.forget_routes()
    with running(deliverers(servers), servers, tmp_path / "logs", monkeypatch) as supervisor:
        yield supervisor


def publish(batches: int) -> list[str]:
    """Publish so many batches, each a message to every subscriber; return their events' ids."""
    ids = []
    for number in range(batches):
        event = line_major(version=number)
        bus.publish([event])
        ids.append(str(event.id))
    return ids


def ended() -> Counter[tuple[str, str]]:
    """How many deliveries of each subscriber ended how."""
    return Counter(DeliveryRun.objects.values_list("subscriber", "outcome"))


def nobody_is_suppressed() -> bool:
    return not SubscriberRecord.objects.filter(suppressed_until__gt=timezone.now()).exists()


def test_a_handler_that_fails_has_letters_of_its_own_and_the_others_go_on(
    receiver: Receiver,
) -> None:
    webhook = make_webhook(url=receiver.url)
    published = publish(BATCHES)
    wait_until(lambda: sum(ended().values()) == 3 * BATCHES, "every delivery's end")

    counts = ended()
    assert counts["handler:well", "delivered"] == BATCHES
    assert counts[webhook.key, "delivered"] == BATCHES
    assert counts["handler:broken", "failed"] >= 3
    assert counts["handler:broken", "failed"] + counts["handler:broken", "held"] == BATCHES
    assert sorted(receiver.event_ids()) == sorted(published)
    assert all(post.is_signed_with(webhook.secret) for post in receiver.posts)
    wait_until(lambda: DeadLetter.objects.count() == BATCHES, "the letters")
    assert {letter.args[0] for letter in DeadLetter.objects.all()} == {"handler:broken"}


def replayed(letters: QuerySet[DeadLetter], outcome: str) -> None:
    """Replay all of them by one action, as beat would drive it, until each has this outcome."""
    asked = replay.request_replays(letters, "tests")
    assert asked == BATCHES
    actions = DeadLetterAction.objects.order_by("-id")[:asked]

    def all_have_ended() -> bool:
        replay.send_due_replays()
        return {action.outcome for action in actions.all()} == {outcome}

    wait_until(all_have_ended, f"the replays to have {outcome}")


def test_what_a_dead_receiver_missed_arrives_by_one_replay_once_it_is_back(
    receiver: Receiver,
) -> None:
    webhook = make_webhook(url=receiver.url)
    receiver.status = 503
    published = publish(BATCHES)
    letters = DeadLetter.objects.filter(args__0=webhook.key)
    wait_until(lambda: letters.count() == BATCHES, "the letters")

    # Too early: every letter is as it was, and has been counted once more.
    replayed(letters.all(), "failed")
    assert {(letter.status, letter.count) for letter in letters.all()} == {("new", 2)}
    assert receiver.taken() == []

    receiver.status = 204
    wait_until(nobody_is_suppressed, "the end of the suppression")
    # The first of them is the probe, which the others wait for.
    replayed(letters.all(), "succeeded")

    assert {(letter.status, letter.count) for letter in letters.all()} == {("replayed", 2)}
    assert sorted(receiver.event_ids()) == sorted(published)
    taken = Counter(post.id for post in receiver.taken())
    assert set(taken.values()) == {1}
