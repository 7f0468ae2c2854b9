"""One signed POST: what is sent, what counts as taken, and where it may not lead."""

from __future__ import annotations

import socket
import time
import traceback
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from betting.config import BusConfig
from streaming.bounded_http import exchange
from streaming.core.failures import PermanentFailure, ProviderFailure, TransientFailure
from streaming.core.notifications import to_message
from streaming.models import SubscriberRecord, WebhookSubscriber
from streaming.notifications import webhooks
from streaming.notifications.webhooks import post, subscribe, unsubscribe
from tests.support.notifications import edge_opened
from tests.support.receiver import Receiver
from tests.support.rows import make_webhook

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BRIEF = BusConfig(total_timeout_seconds=0.6, allow_private_networks=True)
#: Where no deadline is meant to pass, however busy the machine is.
HERE = replace(BRIEF, total_timeout_seconds=20)
SLACK_SECONDS = 1.5  # what a busy machine may add to a deadline


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take its time to connect."""
    monkeypatch.setattr(webhooks, "CONNECT_TIMEOUT_SECONDS", 20.0)


def send(url: str, config: BusConfig = HERE, delivery_id: str = "d1") -> WebhookSubscriber:
    webhook = make_webhook(url=url)
    post(webhook, delivery_id, [edge_opened()], config, NOW)
    return webhook


def failure_of(url: str, config: BusConfig = HERE) -> ProviderFailure:
    """The failure, after making sure that nothing about it shows the secret or the address."""
    webhook = make_webhook(url=url)
    with pytest.raises(ProviderFailure) as caught:
        post(webhook, "d1", [edge_opened()], config, NOW)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    text = "".join(shown.format(chain=True)) + repr(caught.value)
    assert webhook.secret not in text
    assert url not in str(caught.value)
    return caught.value


def test_events_arrive_signed_in_one_post(receiver: Receiver) -> None:
    notifications = [edge_opened(), edge_opened()]
    webhook = make_webhook(url=receiver.url)
    post(webhook, "d7", notifications, HERE, NOW)

    (arrived,) = receiver.posts
    assert arrived.id == "d7"
    assert arrived.events == to_message(notifications)
    assert arrived.headers["content-type"] == "application/json"
    assert arrived.headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert arrived.is_signed_with(webhook.secret)
    assert not arrived.is_signed_with("whsec_" + "A" * 44)


def test_the_same_delivery_sent_again_has_the_same_id_and_body(receiver: Receiver) -> None:
    webhook, notifications = make_webhook(url=receiver.url), [edge_opened()]
    for _ in range(2):
        post(webhook, "d7", notifications, HERE, NOW)
    first, second = receiver.posts
    assert (first.id, first.body) == (second.id, second.body)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_status_of_success_is_one(receiver: Receiver, status: int) -> None:
    receiver.status = status
    send(receiver.url)
    assert len(receiver.taken()) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, PermanentFailure),
        (400, PermanentFailure),
        (401, PermanentFailure),
        (410, PermanentFailure),
        (408, TransientFailure),
        (429, TransientFailure),
        (500, TransientFailure),
        (503, TransientFailure),
    ],
)
def test_a_refusal_is_classified_by_its_status(
    receiver: Receiver, status: int, kind: type[ProviderFailure]
) -> None:
    receiver.status = status
    failure = failure_of(receiver.url)
    assert type(failure) is kind
    assert failure.code == f"http_{status}"


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.status, receiver.answer_headers = 307, {"Location": receiver.url}
    assert failure_of(receiver.url).code == "http_307"
    assert len(receiver.posts) == 1


@pytest.mark.parametrize("fault", ["hangs", "drips"])
def test_a_receiver_that_never_answers_is_left_at_the_deadline(
    receiver: Receiver, fault: str
) -> None:
    setattr(receiver, fault, True)
    started = time.monotonic()
    failure = failure_of(receiver.url, BRIEF)
    assert failure.code == "timeout"
    assert time.monotonic() - started < BRIEF.total_timeout_seconds + SLACK_SECONDS


def test_nobody_there_is_a_transient_failure() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    failure = failure_of(f"http://127.0.0.1:{port}/")
    assert (failure.kind, failure.code) == ("transient", "connect")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"],
)
def test_a_private_address_is_not_connected_to_however_it_is_written(
    receiver: Receiver, host: str
) -> None:
    url = receiver.url.replace("127.0.0.1", host)
    failure = failure_of(url, replace(HERE, allow_private_networks=False))
    # Some spellings are no address to the client at all; none is ever connected to.
    assert failure.code in {"forbidden_address", "invalid_url", "dns"}
    assert receiver.posts == []


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "169.254.169.254", "::ffff:10.1.2.3", "64:ff9b::a9fe:a9fe", "fe80::1"]
)
def test_a_name_that_leads_to_a_private_address_is_refused_by_what_it_leads_to(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    looked_up: list[str] = []
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def answer(host: str, port: int, **_: Any) -> list[Any]:
        looked_up.append(host)
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    failure = failure_of("http://rebound.example/", replace(HERE, allow_private_networks=False))
    assert failure.code == "forbidden_address"
    # Once: there is no second look-up that could answer something else.
    assert looked_up == ["rebound.example"]


def test_of_a_names_addresses_only_a_public_one_gets_a_socket() -> None:
    def at(address: str) -> exchange.AddressInfo:
        return (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))

    exchange._public_socket(at("93.184.216.34")).close()
    with pytest.raises(OSError, match="not a public address"):
        exchange._public_socket(at("127.0.0.1"))


def test_a_secret_is_made_once_and_read_only_to_sign() -> None:
    webhook = WebhookSubscriber(name="desk", url="https://desk.example/")
    secret = subscribe(webhook)
    assert secret.startswith("whsec_")
    assert len(secret) > 40
    loaded = WebhookSubscriber.objects.get()
    assert "secret" in loaded.get_deferred_fields()
    assert secret not in repr(loaded.__dict__)
    assert loaded.secret == secret
    assert make_webhook().secret != secret


def test_a_webhook_that_goes_takes_its_record_along() -> None:
    webhook, other = make_webhook(), make_webhook()
    unsubscribe(webhook)
    assert [row.subscriber for row in SubscriberRecord.objects.all()] == [other.key]
    assert list(WebhookSubscriber.objects.all()) == [other]
