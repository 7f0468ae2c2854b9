"""The admin of alerts: a URL goes in and never comes out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from betting.config import Config, get_config
from streaming.models import AlertSubscriber
from tests.support import rows
from tests.support.receiver import Receiver

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/streaming/alertsubscriber/"
URL = "tgram://123456789:abcdefg_hijklmnop/12315544/"
FIELDS: dict[str, Any] = {
    "name": "desk",
    "address": URL,
    "enabled": "on",
    "wants_edges": "on",
    "sports": "",
    "bookmakers": "",
    "min_ev": "0.03",
    "min_books": "0",
    "timing": "pre_match",
    "digest_minutes": "0",
    "time_zone": "UTC",
}


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("ada"))
    return client


def page_of(subscriber: AlertSubscriber) -> str:
    return reverse("admin:streaming_alertsubscriber_change", args=[subscriber.pk])


def test_a_url_is_entered_kept_and_replaced_but_never_shown(operator: Client) -> None:
    added = operator.post(f"{LIST}add/", FIELDS, follow=True)
    desk = AlertSubscriber.objects.get()
    assert desk.url == URL

    pages = [added, operator.get(page_of(desk)), operator.get(LIST)]
    kept = operator.post(page_of(desk), {**FIELDS, "address": "", "min_ev": "0.05"}, follow=True)
    desk = AlertSubscriber.objects.get()
    assert (desk.url, desk.min_ev) == (URL, 0.05)
    refused = operator.post(page_of(desk), {**FIELDS, "address": f"{URL}?template=/etc/passwd"})
    history = operator.get(f"{LIST}{desk.pk}/history/")
    texts = [each.content.decode() for each in (*pages, kept, refused, history)]
    assert not [text for text in texts if "abcdefg" in text]
    assert "tgram://…" in texts[1]
    assert "tgram://…" in texts[2]

    operator.post(page_of(desk), {**FIELDS, "address": "ntfy://topic"})
    assert AlertSubscriber.objects.get().url == "ntfy://topic"


def test_a_user_who_may_only_look_sees_no_url_and_sends_no_test(client: Client) -> None:
    subscriber = rows.make_alert_subscriber()
    user = User.objects.create_user("bo", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_alertsubscriber"))
    client.force_login(user)
    page = client.get(page_of(subscriber)).content.decode()
    assert "json://…" in page
    assert "s3cret" not in page
    assert client.post(f"{LIST}{subscriber.pk}/test/").status_code == 403


def test_a_test_message_is_sent_and_a_failure_is_named(
    operator: Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = get_config()
    trusting = replace(usual, bus=replace(usual.bus, allow_private_networks=True))

    def configured() -> Config:
        return trusting

    monkeypatch.setattr("streaming.admin.alerts.get_config", configured)
    address = receiver.url.removeprefix("http://").split("/")[0]
    subscriber = rows.make_alert_subscriber(url=f"json://{address}/s3cret")
    url = f"{LIST}{subscriber.pk}/test/"
    assert "Send a test" in operator.get(url).content.decode()
    assert not receiver.posts
    assert "took the test notification" in operator.post(url, follow=True).content.decode()
    receiver.status = 401
    text = operator.post(url, follow=True).content.decode()
    assert "The service answered 401." in text
    assert "s3cret" not in text
