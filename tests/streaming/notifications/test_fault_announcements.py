"""From faults to events: told once, after the fact, and never the cause of another fault."""

from __future__ import annotations

import pytest
from kombu.exceptions import OperationalError
from redis import Redis

from betting.models import Provider
from streaming.core.breaker import CallOutcome
from streaming.core.letters import Kind, Letter
from streaming.dead_letters.capture import record_letter, store_spooled
from streaming.models import Circuit, DeadLetter
from streaming.notifications import bus
from streaming.polling.circuits import Admission, admit, give_command, record
from tests.streaming.polling.test_circuits import CONFIG, DOWN, WELL
from tests.support.notifications import sent_to_subscribers
from tests.support.rows import make_provider, make_webhook
from tests.support.snapshots import at

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def provider() -> Provider:
    return make_provider()


@pytest.fixture
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise OperationalError("Connection refused")

    monkeypatch.setattr(bus, "send_messages", refuse)


def call(provider: Provider, what: CallOutcome, seconds: float) -> Circuit:
    """One call that the circuit admits at that time."""
    admission = admit(provider.pk, CONFIG, at(seconds))
    assert isinstance(admission, Admission)
    probe = CallOutcome(what.seconds, what.kind, what.reason, probe=admission.probe)
    record(admission, probe, CONFIG, at(seconds))
    return Circuit.objects.get(provider=provider)


def test_an_outage_is_told_at_its_beginning_and_at_its_end_and_its_probes_are_not(
    redis: Redis, provider: Provider
) -> None:
    make_webhook()
    for seconds in range(3):
        call(provider, DOWN, seconds)
    (opened,) = sent_to_subscribers(redis)
    assert (opened["type"], opened["provider"]) == ("circuit.opened", provider.key)
    assert opened["reason"] == "3 failures in a row, the last: HTTP 503"
    assert (opened["occurred_at"], opened["retry_at"]) == (
        at(2).isoformat().replace("+00:00", "Z"),
        at(3).isoformat().replace("+00:00", "Z"),
    )

    call(provider, DOWN, 4)  # a probe that fails
    call(provider, WELL, 10)  # the first of two that succeed
    assert sent_to_subscribers(redis) == []

    assert call(provider, WELL, 11).state == "closed"
    (closed,) = sent_to_subscribers(redis)
    assert (closed["type"], closed["provider"]) == ("circuit.closed", provider.key)
    assert closed["reason"] == "2 probes succeeded"


def test_an_operators_command_is_told_with_its_reason_where_it_changes_anything(
    redis: Redis, provider: Provider
) -> None:
    make_webhook()
    for command, seconds in (("reset", 0), ("open", 1), ("open", 2), ("disable", 3), ("reset", 4)):
        give_command(provider, command, f"{command} at {seconds}", "ana", at(seconds))  # type: ignore[arg-type]  # literals in a loop
    opened, closed = sent_to_subscribers(redis)
    assert (opened["type"], opened["reason"]) == ("circuit.opened", "open at 1")
    assert opened["retry_at"] is None
    assert (closed["type"], closed["reason"]) == ("circuit.closed", "disable at 3")


@pytest.mark.usefixtures("_no_broker")
def test_a_circuit_opens_and_closes_while_the_broker_is_away(provider: Provider) -> None:
    make_webhook()
    for seconds in range(3):
        circuit = call(provider, DOWN, seconds)
    assert circuit.state == "open"
    assert give_command(provider, "reset", "mended", "ana", at(3)).state == "closed"


def failure(number: int, **fields: object) -> Letter:
    values = {"kind": Kind.EXCEPTION, "task": "a.b", "exception": "builtins.KeyError"}
    return Letter(**{**values, "message": "token=s3cret\nis gone", "args": [number], **fields})  # type: ignore[arg-type]  # fields of a test


def test_a_letter_is_told_when_it_is_added_and_not_each_time_it_is_counted(redis: Redis) -> None:
    make_webhook()
    for number in (1, 2, 1):
        record_letter(failure(number))
    first, second = sent_to_subscribers(redis)
    rows = DeadLetter.objects.order_by("id")
    assert [row.count for row in rows] == [2, 1]
    assert [first["letter_id"], second["letter_id"]] == [row.pk for row in rows]
    assert (first["type"], first["kind"], first["task"]) == ("deadletter.added", "exception", "a.b")
    assert first["error"] == "builtins.KeyError: token=••• is gone"


def test_a_letter_that_had_waited_for_the_database_is_told_when_it_is_stored(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_webhook()
    with monkeypatch.context() as away:
        away.setattr("streaming.dead_letters.capture._to_database", None)
        record_letter(failure(1))
    assert sent_to_subscribers(redis) == []
    store_spooled(CONFIG)
    assert [event["letter_id"] for event in sent_to_subscribers(redis)] == [
        DeadLetter.objects.get().pk
    ]


def test_a_missed_delivery_is_news_to_nobody(redis: Redis) -> None:
    make_webhook()
    record_letter(failure(1, kind=Kind.DELIVERY, task="streaming.deliver"))
    assert DeadLetter.objects.count() == 1
    assert sent_to_subscribers(redis) == []


@pytest.mark.usefixtures("_no_broker", "redis")
def test_a_letter_is_kept_while_the_broker_is_away(caplog: pytest.LogCaptureFixture) -> None:
    make_webhook()
    record_letter(failure(1))
    assert DeadLetter.objects.count() == 1
    assert "the bus cannot send deadletter.added" in caplog.text
