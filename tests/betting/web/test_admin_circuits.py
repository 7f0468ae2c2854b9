"""How operators overrule a circuit in the admin, and who may."""

from __future__ import annotations

import re
from dataclasses import fields, replace

import pytest
from django.contrib.auth.models import Permission, User
from django.forms import ModelForm
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse

from betting.admin_base.action_forms import MAX_REASON_CHARS
from betting.config import get_config
from betting.db.clock import database_now
from streaming import tasks
from streaming.admin.circuits import CircuitAdmin
from streaming.core.breaker import BreakerPolicy
from streaming.models import Circuit, CircuitTransition
from streaming.polling.circuits import give_command, policy_of
from tests.support import rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quarantined")]

LIST_URL = reverse("admin:streaming_circuit_changelist")
ACTIONS = {
    "force_open": ("open", "forced_open"),
    "force_closed": ("closed", "forced_closed"),
    "disable": ("half_open", "disabled"),
    "reset": ("closed", "automatic"),
}
POLICY = {
    "open_after_failures": "5",
    "failure_rate": "0.25",
    "slow_call_rate": "0.9",
    "slow_call_seconds": "2.5",
    "window_calls": "40",
    "min_calls": "12",
    "backoff_seconds": "2,4.5,60",
    "jitter_fraction": "0.2",
    "forget_after_seconds": "300",
    "close_after_successes": "3",
    "probe_lease_seconds": "600",
}


@pytest.fixture
def quarantined(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The providers whose prices a task was sent to take off the board."""
    sent: list[int] = []
    monkeypatch.setattr(tasks.quarantine, "delay", sent.append)
    return sent


@pytest.fixture
def circuit() -> Circuit:
    """A circuit that moves, whatever is done with it."""
    return rows.make_circuit(rows.make_provider(), state="half_open", reason="Time to probe.")


def staff(client: Client, *codenames: str) -> Client:
    user = User.objects.create_user("ada", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


@pytest.fixture
def operator(client: Client) -> Client:
    return staff(client, "view_circuit", "change_circuit")


@pytest.fixture
def viewer(client: Client) -> Client:
    return staff(client, "view_circuit")


def selection(action: str, *circuits: Circuit) -> dict[str, object]:
    """What the list sends."""
    return {"action": action, "index": 0, "_selected_action": [one.pk for one in circuits]}


def hidden_fields(page: str) -> dict[str, list[str]]:
    """What the page that asks for the reason sends besides it."""
    sent: dict[str, list[str]] = {}
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page)
    for name, value in found:
        if name != "csrfmiddlewaretoken":
            sent.setdefault(name, []).append(value)
    return sent


def carry_out(client: Client, action: str, *circuits: Circuit, reason: str) -> str:
    asked = client.post(LIST_URL, selection(action, *circuits)).content.decode()
    answer = {**hidden_fields(asked), "reason": reason}
    return client.post(LIST_URL, answer, follow=True).content.decode()


def change_url(circuit: Circuit) -> str:
    return reverse("admin:streaming_circuit_change", args=[circuit.pk])


def assert_untouched(circuit: Circuit) -> None:
    before = Circuit.objects.filter(pk=circuit.pk).values().get()
    assert before == {name: getattr(circuit, name) for name in before}
    assert not CircuitTransition.objects.exists()


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_asks_for_a_reason_before_anything_happens(
    operator: Client, circuit: Circuit, action: str, quarantined: list[int]
) -> None:
    page = operator.post(LIST_URL, selection(action, circuit)).content.decode()

    assert "Why?" in page
    assert str(circuit) in page
    assert_untouched(circuit)
    assert quarantined == []


@pytest.mark.parametrize("action", ACTIONS)
def test_a_reason_carries_the_action_out_in_the_operators_name(
    operator: Client, circuit: Circuit, action: str, quarantined: list[int]
) -> None:
    before = database_now()
    page = carry_out(operator, action, circuit, reason="They move house.")

    assert "done." in page
    state, mode = ACTIONS[action]
    circuit.refresh_from_db()
    assert (circuit.state, circuit.mode, circuit.reason) == (state, mode, "They move house.")
    kept = CircuitTransition.objects.get()
    assert (kept.provider_id, kept.actor) == (circuit.provider_id, "ada")
    assert (kept.from_state, kept.to_state, kept.mode) == ("half_open", state, mode)
    assert kept.reason == "They move house."
    assert before <= kept.at <= database_now()
    assert quarantined == ([circuit.provider_id] if action == "force_open" else [])


def test_an_action_reaches_the_circuits_that_were_selected_and_no_other(
    operator: Client, quarantined: list[int]
) -> None:
    circuits = [rows.make_circuit(rows.make_provider()) for _ in range(3)]

    carry_out(operator, "force_open", *circuits[:2], reason="They move house.")

    modes = Circuit.objects.order_by("id").values_list("mode", flat=True)
    assert list(modes) == ["forced_open", "forced_open", "automatic"]
    assert sorted(quarantined) == [one.provider_id for one in circuits[:2]]


def test_an_action_on_all_that_a_list_holds_keeps_to_its_filter(operator: Client) -> None:
    opened = [rows.make_circuit(rows.make_provider(), state="open") for _ in range(2)]
    rows.make_circuit(rows.make_provider())
    filtered = f"{LIST_URL}?state__exact=open"

    chosen = {**selection("reset", opened[0]), "select_across": "1"}
    asked = operator.post(filtered, chosen).content.decode()
    operator.post(filtered, {**hidden_fields(asked), "reason": "They are back."})

    reset = CircuitTransition.objects.values_list("provider", flat=True)
    assert sorted(reset) == [one.provider_id for one in opened]


@pytest.mark.parametrize("reason", ["", "   ", "\u200b", "x" * (MAX_REASON_CHARS + 1)])
@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_without_a_usable_reason_is_asked_again(
    operator: Client, circuit: Circuit, action: str, reason: str
) -> None:
    assert "Why?" in carry_out(operator, action, circuit, reason=reason)
    assert_untouched(circuit)


def test_a_reason_as_long_as_the_page_takes_is_kept_whole(
    operator: Client, circuit: Circuit
) -> None:
    reason = "x" * MAX_REASON_CHARS
    carry_out(operator, "reset", circuit, reason=reason)
    assert CircuitTransition.objects.get().reason == reason


def test_what_happened_is_shown_on_the_circuits_page(operator: Client, circuit: Circuit) -> None:
    carry_out(operator, "force_open", circuit, reason="They move house.")
    page = operator.get(change_url(circuit)).content.decode()
    assert "Latest transitions" in page
    assert page.count("They move house.") >= 2
    assert "ada" in page


def test_a_viewer_is_offered_no_action(viewer: Client, circuit: Circuit) -> None:
    page = viewer.get(LIST_URL).content.decode()
    assert str(circuit.provider) in page
    for action in ACTIONS:
        assert f'value="{action}"' not in page


def test_an_operator_is_offered_every_action(operator: Client, circuit: Circuit) -> None:
    page = operator.get(LIST_URL).content.decode()
    assert str(circuit.provider) in page
    for action in ACTIONS:
        assert f'value="{action}"' in page


@pytest.mark.parametrize("action", ACTIONS)
def test_a_viewer_cannot_send_one_either(
    viewer: Client, circuit: Circuit, action: str, quarantined: list[int]
) -> None:
    asked = selection(action, circuit)
    answered = {**asked, "reason": "They move house."}
    del answered["index"]
    for sent in (asked, answered):
        assert "Why?" not in viewer.post(LIST_URL, sent, follow=True).content.decode()
    assert_untouched(circuit)
    assert quarantined == []


def test_a_viewer_cannot_edit_a_policy(viewer: Client, circuit: Circuit) -> None:
    assert viewer.post(change_url(circuit), POLICY).status_code == 403
    assert_untouched(circuit)


def test_a_circuit_is_neither_added_nor_deleted_by_hand(client: Client, circuit: Circuit) -> None:
    client.force_login(User.objects.create_superuser("root"))
    assert client.post(reverse("admin:streaming_circuit_add"), POLICY).status_code == 403
    delete_url = reverse("admin:streaming_circuit_delete", args=[circuit.pk])
    assert client.post(delete_url, {"post": "yes"}).status_code == 403
    assert_untouched(circuit)


def test_a_policy_of_its_own_is_used(operator: Client, circuit: Circuit) -> None:
    assert POLICY.keys() == {
        field.name for field in fields(BreakerPolicy) if hasattr(Circuit, field.name)
    }

    operator.post(change_url(circuit), POLICY)

    circuit.refresh_from_db()
    policy = policy_of(circuit, get_config())
    assert replace(policy, backoff_seconds=tuple(policy.backoff_seconds)) == BreakerPolicy(
        open_after_failures=5,
        failure_rate=0.25,
        slow_call_rate=0.9,
        slow_call_seconds=2.5,
        window_calls=40,
        min_calls=12,
        backoff_seconds=(2.0, 4.5, 60.0),
        jitter_fraction=0.2,
        forget_after_seconds=300.0,
        close_after_successes=3,
        probe_lease_seconds=600.0,
    )


@pytest.mark.parametrize("name", POLICY)
def test_what_is_left_empty_stays_as_configured(
    operator: Client, circuit: Circuit, name: str
) -> None:
    operator.post(change_url(circuit), {**dict.fromkeys(POLICY, ""), name: POLICY[name]})

    circuit.refresh_from_db()
    usual, policy = (policy_of(one, get_config()) for one in (Circuit(), circuit))
    changed = {
        field.name for field in fields(BreakerPolicy)
        if getattr(policy, field.name) != getattr(usual, field.name)
    }  # fmt: skip
    assert changed == {name}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("open_after_failures", "0"),
        ("failure_rate", "1.01"),
        ("slow_call_rate", "-0.1"),
        ("slow_call_seconds", "0"),
        ("window_calls", "0"),
        ("window_calls", "1001"),  # more than `recent` has room for
        ("min_calls", "0"),
        ("backoff_seconds", "1,-2"),
        ("backoff_seconds", "0"),
        ("backoff_seconds", "1e12"),
        ("jitter_fraction", "1.5"),
        ("close_after_successes", "0"),
        ("forget_after_seconds", "-1"),
        ("probe_lease_seconds", "1e12"),
    ],
)
def test_a_policy_that_no_configuration_could_have_is_refused(
    operator: Client, circuit: Circuit, name: str, value: str
) -> None:
    operator.post(change_url(circuit), {**POLICY, name: value})
    assert_untouched(circuit)


def test_editing_a_policy_leaves_what_happens_meanwhile_alone(
    operator: Client, circuit: Circuit, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model = CircuitAdmin.save_model

    def save_later(
        pages: CircuitAdmin,
        request: HttpRequest,
        obj: Circuit,
        form: ModelForm[Circuit],
        change: bool,
    ) -> None:
        give_command(circuit.provider, "open", "They move house.", "bob", database_now())
        save_model(pages, request, obj, form, change)

    monkeypatch.setattr(CircuitAdmin, "save_model", save_later)
    operator.post(change_url(circuit), POLICY)

    version = circuit.version
    circuit.refresh_from_db()
    assert (circuit.mode, circuit.open_after_failures) == ("forced_open", 5)
    assert circuit.version > version


def test_a_feed_is_reset_in_the_admin_by_those_who_may_overrule_circuits(
    client: Client,
) -> None:
    operator = staff(client, "view_feedcircuit", "change_circuit")
    failing = rows.make_feed_circuit(state="open", retry_at=rows.NOON, failures=1, reason="403")
    url = reverse("admin:streaming_feedcircuit_changelist")
    sent = {"action": "reset", "index": 0, "_selected_action": [failing.pk], "reason": "Gone."}

    operator.post(url, sent)

    failing.refresh_from_db()
    assert (failing.state, failing.retry_at) == ("closed", None)
    kept = CircuitTransition.objects.get()
    assert (kept.feed, kept.reason) == (failing.feed, "Gone.")
