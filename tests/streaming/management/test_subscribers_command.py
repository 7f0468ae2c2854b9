"""`manage.py subscribers`: webhooks added, looked at, tested and removed."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from betting.config import Config, get_config
from streaming.models import DeliveryRun, SubscriberRecord, WebhookSubscriber
from streaming.notifications import handlers
from streaming.notifications.handlers import subscriber
from tests.support.receiver import Receiver
from tests.support.rows import make_sport, make_webhook

pytestmark = pytest.mark.django_db

URL = "https://desk.example/hooks"


@pytest.fixture(autouse=True)
def _no_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the handlers that a test registers."""
    monkeypatch.setattr(handlers, "_handlers", {})


@pytest.fixture
def _private_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that trusts its own network."""
    usual = get_config()
    trusting = replace(usual, bus=replace(usual.bus, allow_private_networks=True))

    def configured() -> Config:
        return trusting

    monkeypatch.setattr("streaming.management.commands.subscribers.get_config", configured)
    monkeypatch.setattr("streaming.forms.webhook.get_config", configured)


def subscribers(*arguments: str) -> str:
    out = io.StringIO()
    call_command("subscribers", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def refused(*arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        subscribers(*arguments)
    return str(caught.value)


def listed() -> dict[str, dict[str, Any]]:
    rows = json.loads(subscribers("list", "--json"))
    return {row["subscriber"]: row for row in rows}


def test_a_webhook_is_one_line_and_its_secret_is_shown_once() -> None:
    make_sport(key="basketball_nba")
    said = subscribers(
        "add", "desk", URL, "--types", "edge.opened", "--sports", "basketball_nba",
        "--min-ev", "0.03",
    )  # fmt: skip
    webhook = WebhookSubscriber.objects.get()
    assert (webhook.name, webhook.url, webhook.enabled) == ("desk", URL, True)
    assert (webhook.types, webhook.sports, webhook.min_ev) == (
        ["edge.opened"], ["basketball_nba"], 0.03,
    )  # fmt: skip
    assert webhook.secret in said
    assert webhook.secret not in subscribers("list") + subscribers("list", "--json")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("desk", "ftp://desk.example"), "http:// or https://"),
        (("desk", "https://[desk.example"), "http:// or https://"),
        (("desk", "https://me:pw@desk.example"), "without a login"),
        (("desk", "http://127.0.0.1/"), "an address on the public internet"),
        (("desk", "http://[::ffff:10.0.0.1]/"), "an address on the public internet"),
        (("desk", "http://localhost:8000/"), "HARDLINE_BUS_ALLOW_PRIVATE_NETWORKS"),
        (("the desk", URL), "name"),
        (("desk", URL, "--types", "edge.open"), "did you mean edge.opened"),
        (("desk", URL, "--sports", "basketball_nab"), "did you mean basketball_nba"),
    ],
)
def test_a_webhook_that_could_not_be_posted_to_is_refused(
    arguments: tuple[str, ...], words: str
) -> None:
    make_sport(key="basketball_nba")
    assert words in refused("add", *arguments)
    assert not WebhookSubscriber.objects.exists()


def test_a_name_is_taken_once() -> None:
    subscribers("add", "desk", URL)
    assert "already exists" in refused("add", "desk", URL)


def test_a_list_says_how_everybody_stands() -> None:
    webhook = make_webhook()
    SubscriberRecord.objects.filter(subscriber=webhook.key).update(
        deliveries=4, failures=1, recent="...x", last_error="The receiver answered HTTP 500."
    )
    subscriber("line.major", name="tell")(lambda _events: None)

    rows = listed()
    assert rows.keys() == {webhook.key, "handler:tell"}
    assert (rows[webhook.key]["state"], rows[webhook.key]["failure_rate"]) == ("well", 0.25)
    assert rows["handler:tell"]["deliveries"] == 0
    assert "HTTP 500" in subscribers("list")


@pytest.mark.usefixtures("_private_networks")
def test_a_test_event_is_sent_at_once(receiver: Receiver) -> None:
    subscribers("add", "desk", receiver.url)
    assert subscribers("test", "desk") == "webhook:desk took the test notification\n"
    ((event,),) = (post.events for post in receiver.posts)
    assert (event["type"], event["subscriber"]) == ("subscriber.test", "webhook:desk")
    assert DeliveryRun.objects.get().outcome == "delivered"


@pytest.mark.usefixtures("_private_networks")
def test_a_test_event_that_is_refused_says_why(receiver: Receiver) -> None:
    receiver.status = 401
    subscribers("add", "desk", receiver.url)
    assert "HTTP 401" in refused("test", "desk")
    assert "no subscriber handler:tell" in refused("test", "handler:tell")


def test_a_test_event_does_not_reach_a_private_address_by_a_webhook_of_old(
    receiver: Receiver,
) -> None:
    make_webhook(name="old", url=receiver.url)
    assert "not on the public internet" in refused("test", "old")
    assert receiver.posts == []


def test_a_webhook_is_removed_by_its_name() -> None:
    make_webhook(name="desk")
    assert "did you mean desk?" in refused("remove", "dsk")
    assert subscribers("remove", "desk") == "removed desk\n"
    assert listed() == {}
    assert "none has been added" in refused("remove", "desk")
