"""What operators may edit in the admin, and what it refuses."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from betting.config import get_config
from betting.models import DoubtfulMatch, MatchDecision, ParticipantAlias, Provider
from streaming.models import WebhookSubscriber
from tests.support import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("operator"))
    return client


@pytest.mark.parametrize("name", ["betting_provider", "streaming_webhooksubscriber"])
def test_a_new_row_is_asked_for_nothing_that_only_the_system_writes(
    operator: Client, name: str
) -> None:
    text = operator.get(reverse(f"admin:{name}_add")).content.decode()
    assert "Created at" not in text
    assert "Quota" not in text
    assert "DatabaseDefault" not in text


def change_url(row: Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


PROVIDER: dict[str, Any] = {
    "key": "mine",
    "adapter": "the_odds_api",
    "base_url": "https://odds.example",
    "sports": "basketball_nba",
    "markets": "h2h,totals",
    "event_markets": "",
    "regions": "us",
    "bookmakers": "",
    "odds_format": "decimal",
    "api_key_env": "HARDLINE_KEY_MINE",
    "interval_seconds": "30",
    "stale_after_seconds": "120",
    "clock": "wall",
    "enabled": "on",
}


def add_provider(client: Client, **fields: str) -> str:
    url = reverse("admin:betting_provider_add")
    return client.post(url, {**PROVIDER, **fields}, follow=True).content.decode()


def test_an_operator_adds_and_changes_a_provider(operator: Client) -> None:
    add_provider(operator)
    provider = Provider.objects.get(key="mine")
    assert (provider.markets, provider.base_url) == (["h2h", "totals"], "https://odds.example")

    operator.post(change_url(provider), {**PROVIDER, "interval_seconds": "45"})

    provider.refresh_from_db()
    assert provider.interval_seconds == 45


def test_a_provider_without_an_address_gets_the_public_one_of_its_adapter(
    operator: Client,
) -> None:
    add_provider(operator, base_url="")
    assert Provider.objects.get().base_url == "https://api.the-odds-api.com"


@pytest.mark.parametrize("host", ["127.0.0.1:8123", "localhost", "[::1]", "169.254.169.254"])
def test_a_provider_in_a_private_network_is_refused_unless_that_is_allowed(
    operator: Client, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = get_config()
    closed = replace(config, poll=replace(config.poll, allow_private_networks=False))
    monkeypatch.setattr("streaming.forms.provider.get_config", lambda: closed)
    said = html.unescape(add_provider(operator, base_url=f"http://{host}"))
    assert "an address on the public internet" in said
    assert not Provider.objects.exists()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("adapter", "the_odds_ap", "Did you mean"),
        ("base_url", "ftp://odds.example", "http:// or https://"),
        ("base_url", "https://odds.example/?apiKey=1", "the key comes from the environment"),
        ("base_url", "https://me:pw@odds.example", "the key comes from the environment"),
        ("base_url", "https://[odds.example", "http:// or https://"),
        ("api_key_env", "4f8e0c1ab2d34f8e0c1ab2d3", "NAME of the environment variable"),
        ("api_key_env", "DATABASE_URL", "may not hold a provider"),
        ("api_key_env", "HARDLINE_SECRET_KEY", "HARDLINE_KEY_HARDLINE_SECRET_KEY"),
        ("sports", "", "would ask for nothing"),
        ("sports", "upcoming", "not a sport"),
        ("interval_seconds", "0", "above 0"),
        ("stale_after_seconds", "30", "more than the interval"),
    ],
)
def test_a_provider_that_could_not_be_polled_is_refused(
    operator: Client, field: str, value: str, words: str
) -> None:
    assert words in add_provider(operator, **{field: value})
    assert not Provider.objects.exists()


def test_a_provider_is_not_deleted_from_a_page(operator: Client) -> None:
    provider = rows.make_provider()

    assert operator.post(change_url(provider).replace("change", "delete")).status_code == 403


BOOKMAKER = {
    "title": "A Book",
    "kind": "sportsbook",
    "is_venue": "on",
    "weight": "1",
    "commission": "0",
    "fee_model": "winnings",
    "weights-TOTAL_FORMS": "0",
    "weights-INITIAL_FORMS": "0",
}


def test_an_operator_weighs_a_bookmaker_but_neither_renames_nor_makes_one(
    operator: Client,
) -> None:
    bookmaker = rows.make_bookmaker()
    terms = {"kind": "exchange", "weight": "2", "commission": "0.02"}
    fields = BOOKMAKER | terms | {"key": "other"}

    operator.post(change_url(bookmaker), fields)

    key = bookmaker.key
    bookmaker.refresh_from_db()
    assert (bookmaker.key, bookmaker.title, bookmaker.kind) == (key, "A Book", "exchange")
    assert (bookmaker.weight, bookmaker.commission) == (2, 0.02)
    assert operator.post(reverse("admin:betting_bookmaker_add"), fields).status_code == 403


@pytest.mark.parametrize(("weight", "commission"), [("-1", "0"), ("1", "1"), ("1", "-0.1")])
def test_a_weight_or_commission_out_of_range_is_refused(
    operator: Client, weight: str, commission: str
) -> None:
    bookmaker = rows.make_bookmaker()
    fields = BOOKMAKER | {"weight": weight, "commission": commission}

    refused = operator.post(change_url(bookmaker), fields).context["adminform"].form
    (problem,) = refused.non_field_errors()
    assert ("weight" if weight != "1" else "commission") in problem
    assert set(refused.errors) == {"__all__"}

    bookmaker.refresh_from_db()
    assert (bookmaker.weight, bookmaker.commission) == (1, 0)


def add_alias(client: Client, **fields: str) -> str:
    url = reverse("admin:betting_participantalias_add")
    values = {"family": "harbour", "name": "Harbour F.C.", "canonical": "Harbour Gulls"}
    return client.post(url, {**values, **fields}, follow=True).content.decode()


def test_an_operator_adds_an_alias_as_providers_write_the_names(operator: Client) -> None:
    rows.make_sport(key="harbour_ball")

    add_alias(operator)

    alias = ParticipantAlias.objects.get()
    assert (alias.family, alias.name, alias.canonical) == ("harbour", "harbour", "harbour gulls")
    add_alias(operator, name="Gulls of Harbour")
    operator.post(
        change_url(alias), {"family": "harbour", "name": "Harbor", "canonical": "Harbour Gulls"}
    )
    assert set(ParticipantAlias.objects.values_list("name", flat=True)) == {
        "harbor",
        "gulls of harbour",
    }


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("family", "harbor", "There is no sport of this family; did you mean harbour?"),
        ("name", "?!", "a letter or a digit"),
        ("name", "harbour gulls FC", "Enter another name: matching reads these two as one."),
        ("canonical", "Known", "Enter another name: matching reads these two as one."),
        ("name", "Known", "already exists"),
    ],
)
def test_an_alias_that_would_say_nothing_is_refused(
    operator: Client, field: str, value: str, words: str
) -> None:
    rows.make_sport(key="harbour_ball")
    rows.make_participant_alias(family="harbour", name="known", canonical="harbour")

    shown = add_alias(operator, **{field: value})

    assert words in shown
    assert ParticipantAlias.objects.count() == 1


@pytest.mark.parametrize("action", ["decide_same", "decide_different"])
def test_an_operator_decides_doubtful_matches(operator: Client, action: str) -> None:
    doubts = [rows.make_doubt(), rows.make_doubt()]
    url = reverse("admin:betting_doubtfulmatch_changelist")
    chosen = {"action": action, "_selected_action": [doubt.pk for doubt in doubts]}

    first = operator.post(url, chosen, follow=True).content.decode()
    again = operator.post(url, chosen, follow=True).content.decode()

    decided = DoubtfulMatch.objects.values_list("decision", "decided_by")
    assert set(decided) == {(action.removeprefix("decide_"), "operator")}
    assert f"{doubts[0].pk}: {decided[0][0]} event" in first
    assert "is already decided" in again


def test_who_may_not_change_a_doubtful_match_may_not_decide_it(client: Client) -> None:
    doubt = rows.make_doubt()
    onlooker = User.objects.create(username="onlooker", is_staff=True)
    onlooker.user_permissions.add(Permission.objects.get(codename="view_doubtfulmatch"))
    client.force_login(onlooker)
    url = reverse("admin:betting_doubtfulmatch_changelist")

    shown = client.post(url, {"action": "decide_same", "_selected_action": [doubt.pk]}, follow=True)

    doubt.refresh_from_db()
    assert doubt.decision == MatchDecision.OPEN
    assert "Same event" not in shown.content.decode()


WEBHOOK = {
    "name": "desk",
    "url": "https://desk.example/hooks",
    "types": "edge.opened,edge.closed",
    "sports": "",
    "min_ev": "0.03",
    "enabled": "on",
}


def test_an_operator_adds_a_webhook_and_sees_its_secret_once(operator: Client) -> None:
    url = reverse("admin:streaming_webhooksubscriber_add")
    shown = operator.post(url, WEBHOOK, follow=True).content.decode()
    webhook = WebhookSubscriber.objects.get()
    assert webhook.types == ["edge.opened", "edge.closed"]
    # Base64 has signs that a page escapes.
    assert webhook.secret in html.unescape(shown)

    again = operator.get(change_url(webhook)).content.decode()
    assert webhook.secret not in html.unescape(again)


def test_an_operator_changes_what_a_webhook_gets_but_not_its_name_or_secret(
    operator: Client,
) -> None:
    operator.post(reverse("admin:streaming_webhooksubscriber_add"), WEBHOOK)
    webhook = WebhookSubscriber.objects.get()
    secret = webhook.secret
    operator.post(change_url(webhook), {**WEBHOOK, "name": "other", "min_ev": "", "secret": "x"})

    changed = WebhookSubscriber.objects.get()
    assert (changed.name, changed.min_ev, changed.secret) == ("desk", None, secret)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("url", "http://169.254.169.254/latest", "an address on the public internet"),
        ("types", "edge.openend", "did you mean edge.opened"),
    ],
)
def test_a_webhook_that_could_not_be_posted_to_is_refused(
    operator: Client, field: str, value: str, words: str
) -> None:
    url = reverse("admin:streaming_webhooksubscriber_add")
    assert words in operator.post(url, {**WEBHOOK, field: value}).content.decode()
    assert not WebhookSubscriber.objects.exists()


def test_whoever_may_only_look_sends_no_test_event(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    monkeypatch.setattr("streaming.admin.subscribers.send_test", lambda key, _: sent.append(key))
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_webhooksubscriber"))
    client.force_login(viewer)
    webhook = rows.make_webhook()
    url = reverse("admin:streaming_webhooksubscriber_changelist")

    client.post(url, {"action": "send_test_event", "_selected_action": [webhook.pk]}, follow=True)

    assert sent == []
    assert "send_test_event" not in client.get(url).content.decode()


def test_an_operator_sends_a_test_event_and_is_told_what_came_of_it(operator: Client) -> None:
    webhook = rows.make_webhook()
    url = reverse("admin:streaming_webhooksubscriber_changelist")
    chosen = {"action": "send_test_event", "_selected_action": [webhook.pk]}
    shown = operator.post(url, chosen, follow=True).content.decode()
    # Nobody may be reached on this machine unless the configuration says so.
    assert "not on the public internet" in shown
    assert webhook.secret not in html.unescape(shown)
