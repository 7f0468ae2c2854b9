"""Replays: asked for once, sent at a bounded rate, and their letter knows what came of them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from celery import current_app
from django.conf import settings
from django.db import connection
from django.utils import timezone
from kombu.exceptions import OperationalError

from streaming.core.letters import Kind, Letter, redacted
from streaming.dead_letters import replay
from streaming.dead_letters.messages import REPLAY_HEADER
from streaming.dead_letters.replay import (
    EditedArguments,
    HeldBack,
    arguments_error,
    with_last_replay,
)
from streaming.dead_letters.store import store
from streaming.models import ActionOutcome, DeadLetter, DeadLetterAction, LetterStatus

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TASK = "valuation.recompute_markets"

Sent = list[dict[str, Any]]

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three replay a second, each of them given up after a minute."""
    monkeypatch.setattr(replay, "PER_SECOND", 3)
    monkeypatch.setattr(replay, "TIMEOUT_SECONDS", 60.0)


def failed(number: int = 0, **fields: Any) -> DeadLetter:
    given = {"kind": Kind.EXCEPTION, "task": TASK, "args": [[number], "batch"], **fields}
    letter = redacted(Letter(**given), NOON + timedelta(seconds=number), uuid4().hex)
    store(letter, 1_000)
    return DeadLetter.objects.latest("id")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """What is sent, instead of being sent."""
    messages: Sent = []

    def send_task(name: str, **options: Any) -> None:
        messages.append({"name": name, **options})

    monkeypatch.setattr(current_app, "send_task", send_task)
    return messages


def outcomes() -> list[str]:
    return list(DeadLetterAction.objects.order_by("id").values_list("outcome", flat=True))


def a_second_later() -> None:
    """The rate is counted in the rows' time."""
    for action in DeadLetterAction.objects.exclude(sent_at=None):
        DeadLetterAction.objects.filter(pk=action.pk).update(
            sent_at=(action.sent_at or timezone.now()) - timedelta(seconds=1)
        )


def test_a_replay_is_the_letters_own_message_on_its_own_queue(sent: Sent) -> None:
    letter = failed(7, queue="major", kwargs={"x": 1})
    assert replay.request_replays(DeadLetter.objects.all(), "ana") == 1
    assert sent == []
    assert replay.send_due_replays() == 1
    action = DeadLetterAction.objects.get()
    assert sent == [
        {
            "name": TASK,
            "args": [[7], "batch"],
            "kwargs": {"x": 1},
            "queue": "major",
            "ignore_result": True,
            "headers": {REPLAY_HEADER: action.pk},
        }
    ]
    letter.refresh_from_db()
    assert (letter.status, action.outcome, action.requested_by) == ("replaying", "sent", "ana")


def test_a_queue_that_is_gone_gives_way_to_the_tasks_own(sent: Sent) -> None:
    failed(queue="renamed")
    replay.request_replays(DeadLetter.objects.all(), "ana")
    replay.send_due_replays()
    assert sent[0]["queue"] is None


def test_edited_arguments_are_sent_and_the_letter_keeps_its_own(sent: Sent) -> None:
    letter = failed(7, is_complete=False)
    assert not replay.request_replay(letter.pk, "ana", EditedArguments())
    assert replay.request_replay(letter.pk, "ana", EditedArguments(args=[[8], "batch"]))
    replay.send_due_replays()
    letter.refresh_from_db()
    assert (sent[0]["args"], letter.args) == ([[8], "batch"], [[7], "batch"])


@pytest.mark.usefixtures("sent")
def test_what_cannot_be_replayed_as_it_is_stays_where_it_is() -> None:
    failed(1, is_complete=False)
    failed(2, task="")
    assert replay.request_replays(DeadLetter.objects.all(), "ana") == 0
    assert outcomes() == []


def test_so_many_are_sent_in_a_second_and_the_oldest_first(sent: Sent) -> None:
    for number in range(5):
        failed(number)
    replay.request_replays(DeadLetter.objects.all(), "ana")
    assert [replay.send_due_replays() for _ in range(2)] == [3, 0]
    a_second_later()
    assert replay.send_due_replays() == 2
    assert [message["args"][0] for message in sent] == [[0], [1], [2], [3], [4]]


def test_a_letter_that_is_held_back_waits_and_holds_up_no_other(sent: Sent) -> None:
    failed(1, provider="closed")
    failed(2)
    replay.request_replays(DeadLetter.objects.all(), "ana")
    assert replay.send_due_replays(HeldBack(providers={"closed"})) == 1
    assert [message["args"][0] for message in sent] == [[2]]
    assert outcomes() == [ActionOutcome.WAITING, ActionOutcome.SENT]
    assert replay.send_due_replays() == 1


def test_deliveries_wait_for_their_subscriber_and_for_no_other(sent: Sent) -> None:
    for number, subscriber in enumerate(("webhook:ill", "webhook:well")):
        failed(number, kind=Kind.DELIVERY, args=[subscriber, "id", []])
    failed(2, args=["webhook:ill"])  # no delivery, whatever its arguments
    replay.request_replays(DeadLetter.objects.all(), "ana")
    assert replay.send_due_replays(HeldBack(subscribers={"webhook:ill"})) == 2
    assert [message["args"][0] for message in sent] == ["webhook:well", "webhook:ill"]
    assert outcomes() == [ActionOutcome.WAITING, ActionOutcome.SENT, ActionOutcome.SENT]


def given_up_and_asked_again() -> tuple[DeadLetterAction, DeadLetterAction]:
    """A replay that was thought lost, and the one that a person asked for after it."""
    replay.request_replays(DeadLetter.objects.all(), "ana")
    replay.send_due_replays()
    DeadLetterAction.objects.update(sent_at=timezone.now() - timedelta(seconds=61))
    replay.give_up_on_lost(60.0)
    assert replay.request_replays(DeadLetter.objects.all(), "bob") == 1
    first, second = DeadLetterAction.objects.order_by("id")
    return first, second


@pytest.mark.usefixtures("sent")
def test_a_late_failure_leaves_the_letter_to_the_replay_that_was_asked_for_meanwhile() -> None:
    letter = failed()
    first, second = given_up_and_asked_again()
    failed(1, replay=first.pk)
    letter.refresh_from_db()
    assert (letter.status, letter.count) == (LetterStatus.REPLAYING, 2)
    assert outcomes() == [ActionOutcome.FAILED, ActionOutcome.WAITING]
    assert replay.request_replays(DeadLetter.objects.all(), "eve") == 0
    replay.send_due_replays()
    failed(2, replay=second.pk)
    letter.refresh_from_db()
    assert (letter.status, letter.count) == (LetterStatus.NEW, 3)


@pytest.mark.usefixtures("sent")
def test_a_late_success_leaves_the_letter_to_the_replay_that_was_asked_for_meanwhile() -> None:
    letter = failed()
    first, second = given_up_and_asked_again()
    replay.succeeded(first.pk)
    letter.refresh_from_db()
    assert letter.status == LetterStatus.REPLAYING
    replay.succeeded(second.pk)
    letter.refresh_from_db()
    assert letter.status == LetterStatus.REPLAYED


@pytest.mark.usefixtures("sent")
def test_the_open_entry_decides_whether_a_letter_is_being_replayed_not_its_status() -> None:
    letter = failed()
    replay.request_replays(DeadLetter.objects.all(), "ana")
    DeadLetter.objects.update(status=LetterStatus.NEW)
    assert replay.request_replays(DeadLetter.objects.all(), "bob") == 0
    assert not replay.request_replay(letter.pk, "bob", EditedArguments(args=[[8], "batch"]))
    assert replay.discard(DeadLetter.objects.all(), "bob", "a known bug") == 0


@pytest.mark.usefixtures("sent")
def test_a_replay_that_went_out_unnoticed_and_failed_is_not_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    letter = failed()
    replay.request_replays(DeadLetter.objects.all(), "ana")

    def time_out(*_: Any, **__: Any) -> None:
        raise OperationalError("no answer, though the message is out")

    monkeypatch.setattr(current_app, "send_task", time_out)
    assert replay.send_due_replays() == 0
    failed(1, replay=DeadLetterAction.objects.get().pk)
    letter.refresh_from_db()
    assert (letter.status, outcomes()) == (LetterStatus.NEW, [ActionOutcome.FAILED])


def test_replays_wait_while_the_broker_is_away(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        failed(number)
    replay.request_replays(DeadLetter.objects.all(), "ana")

    def refuse(*_: Any, **__: Any) -> None:
        raise OperationalError("away")

    with monkeypatch.context() as patch:
        patch.setattr(current_app, "send_task", refuse)
        assert replay.send_due_replays() == 0
    assert outcomes() == [ActionOutcome.WAITING] * 2
    assert replay.send_due_replays() == len(sent) == 2


def test_why_a_replay_cannot_be_sent_is_said_without_its_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed()
    replay.request_replays(DeadLetter.objects.all(), "ana")

    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError("https://a.example/odds?apiKey=5ecret is no queue")

    monkeypatch.setattr(current_app, "send_task", refuse)
    replay.send_due_replays()

    (error,) = DeadLetterAction.objects.values_list("error", flat=True)
    assert error.startswith("could not be sent: ValueError: https://a.example/odds?apiKey=")
    assert "5ecret" not in error


@pytest.mark.usefixtures("sent")
def test_a_replay_that_succeeds_closes_its_letter() -> None:
    letter = failed()
    replay.request_replays(DeadLetter.objects.all(), "ana")
    replay.send_due_replays()
    replay.succeeded(DeadLetterAction.objects.get().pk)
    letter.refresh_from_db()
    assert (letter.status, outcomes()) == (LetterStatus.REPLAYED, [ActionOutcome.SUCCEEDED])


@pytest.mark.usefixtures("sent")
def test_a_letter_that_failed_anew_while_its_replay_ran_stays_open() -> None:
    letter = failed()
    replay.request_replays(DeadLetter.objects.all(), "ana")
    replay.send_due_replays()
    DeadLetter.objects.update(last_seen=timezone.now() + timedelta(seconds=1))
    replay.succeeded(DeadLetterAction.objects.get().pk)
    letter.refresh_from_db()
    assert letter.status == LetterStatus.NEW


@pytest.mark.usefixtures("sent")
def test_a_replay_that_is_never_heard_of_again_leaves_a_new_letter() -> None:
    letter = failed()
    replay.request_replays(DeadLetter.objects.all(), "ana")
    replay.send_due_replays()
    assert replay.give_up_on_lost(60.0) == 0
    DeadLetterAction.objects.update(sent_at=timezone.now() - timedelta(seconds=61))
    assert replay.give_up_on_lost(60.0) == 1
    letter.refresh_from_db()
    assert (letter.status, outcomes()) == (LetterStatus.NEW, [ActionOutcome.UNANSWERED])
    replay.succeeded(DeadLetterAction.objects.get().pk)  # it was only late
    letter.refresh_from_db()
    assert letter.status == LetterStatus.REPLAYED


def test_a_replay_whose_letter_was_evicted_is_not_sent(sent: Sent) -> None:
    failed()
    replay.request_replays(DeadLetter.objects.all(), "ana")
    connection.cursor().execute("DELETE FROM streaming_deadletter")
    assert replay.send_due_replays() == 0
    assert (sent, outcomes()) == ([], [ActionOutcome.UNANSWERED])


def test_a_letter_is_discarded_for_a_reason_and_the_entry_says_who() -> None:
    letter = failed()
    with pytest.raises(ValueError, match="reason"):
        replay.discard(DeadLetter.objects.all(), "ana", "  ")
    assert replay.discard(DeadLetter.objects.all(), "ana", "a known bug") == 1
    assert replay.discard(DeadLetter.objects.all(), "bob", "again") == 0
    letter.refresh_from_db()
    action = DeadLetterAction.objects.get()
    assert (letter.status, letter.discard_reason) == ("discarded", "a known bug")
    assert (action.action, action.requested_by, action.reason) == ("discard", "ana", "a known bug")


@pytest.mark.usefixtures("sent")
def test_what_is_being_replayed_is_not_discarded() -> None:
    failed()
    replay.request_replays(DeadLetter.objects.all(), "ana")
    assert replay.discard(DeadLetter.objects.all(), "ana", "a known bug") == 0


def at_once(acts: list[Callable[[], int]]) -> list[int]:
    """Each in a thread of its own, all let go at the same moment."""
    barrier = Barrier(len(acts))

    def act_and_close(act: Callable[[], int]) -> int:
        barrier.wait()
        try:
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(act_and_close, acts))


@pytest.mark.django_db(transaction=True)
def test_two_who_ask_at_once_send_once(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        failed(number)
    monkeypatch.setattr(replay, "PER_SECOND", 1_000)
    asked = at_once([lambda: replay.request_replays(DeadLetter.objects.all(), "ana")] * 4)
    assert sum(asked) == 20
    assert sum(at_once([replay.send_due_replays] * 4)) == 20
    assert sorted(message["args"][0][0] for message in sent) == list(range(20))


def test_a_replay_that_fails_says_when_and_what_of_on_its_letter(sent: Sent) -> None:
    letter = failed(message="no market 7", exception="builtins.LookupError")
    assert with_last_replay(DeadLetter.objects.all()).get().last_replay == ""
    replay.request_replays(DeadLetter.objects.all(), "ana")
    replay.send_due_replays()
    assert with_last_replay(DeadLetter.objects.all()).get().last_replay == ""

    action = sent[0]["headers"][REPLAY_HEADER]
    failed(9, replay=action, message="no sport\nany more", exception="builtins.KeyError")

    row = with_last_replay(DeadLetter.objects.all()).get()
    assert (row.pk, row.status, row.count) == (letter.pk, "new", 2)
    assert row.last_replay == (
        "failed again, 2026-03-01 12:00:09: builtins.KeyError: no sport any more"
    )


def test_the_end_of_the_latest_replay_is_shown_and_not_that_of_one_under_way(sent: Sent) -> None:
    letter = failed()
    for error in ("the first", "the second"):
        DeadLetterAction.objects.create(
            letter=letter, action="replay", outcome="failed", ended_at=NOON, error=error
        )
    replay.request_replays(DeadLetter.objects.all(), "ana")
    assert sent == []
    assert with_last_replay(DeadLetter.objects.all()).get().last_replay.endswith(": the second")


@pytest.mark.parametrize(
    ("args", "kwargs", "fault"),
    [
        ([[1, 2], "batch"], {}, ""),
        ([[1]], {"trigger": "major"}, ""),
        ([[1]], {}, "missing a required argument: 'trigger'"),
        ([[1], "batch", 3], {}, "too many positional arguments"),
        ([["one"], "batch"], {}, "market_ids: Expected `int`, got `str`"),
        ([[1], "batch"], {"speed": 2}, "unexpected keyword argument 'speed'"),
    ],
)
def test_arguments_have_to_fit_the_task(
    args: list[Any], kwargs: dict[str, Any], fault: str
) -> None:
    found = arguments_error(TASK, args, kwargs)
    assert fault in found
    assert bool(found) == bool(fault)


@pytest.mark.parametrize("task", sorted(settings.CELERY_TASK_ROUTES))
def test_the_arguments_of_every_task_can_be_checked(task: str) -> None:
    assert task in arguments_error(task, [], {"no_such_argument": 1})


def test_the_arguments_of_letters_fit_their_tasks() -> None:
    assert not arguments_error("streaming.deliver", ["webhook:desk", "an id", [{"type": "x"}]], {})
    assert "events: Expected `array`" in arguments_error(
        "streaming.deliver", ["webhook:desk", "id", 5], {}
    )
    answer = {
        "provider": "a", "path": "/odds", "params": {}, "status": 200, "content_type": "",
        "received_at": "2026-03-01T12:00:00Z", "packed": "",
    }  # fmt: skip
    assert not arguments_error("streaming.replay_payload", [], answer)
    assert "status: Expected `int`" in arguments_error(
        "streaming.replay_payload", [], {**answer, "status": "good"}
    )


def test_a_task_that_is_not_there_is_named_with_its_nearest() -> None:
    assert arguments_error("streaming.poll_providr", [], {}) == (
        "there is no task 'streaming.poll_providr'; did you mean streaming.poll_provider?"
    )
    assert not arguments_error("streaming.poll_provider", [1], {})
