"""The page of dead letters by likely cause."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from betting.models import SettingChange
from tests.support.rows import NOON, make_dead_letter
from tests.support.staff import client_of
from tests.support.statements import statements_of

PAGE = "admin:streaming_deadletter_patterns"

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> Client:
    return client_of("view_deadletter")


def shown(client: Client, query: str = "") -> str:
    response = client.get(reverse(PAGE) + query)
    assert response.status_code == 200
    return response.content.decode()


def test_letters_of_several_causes_that_look_alike_are_one_row(operator: Client) -> None:
    for number, task in enumerate(("streaming.sweep", "streaming.tick")):
        make_dead_letter(
            task=task,
            fingerprint=f"{number:016x}",
            exception="psycopg.OperationalError",
            message=f"connection to server at 10.0.0.{number} failed",
        )
    text = shown(operator)
    assert text.count("<article") == 1
    assert "2 failures" in text
    assert "streaming.sweep, streaming.tick" in text
    assert "/admin/docs/runbook.md#database" in text
    assert "fingerprint__in=0000000000000000%2C0000000000000001" in text


def test_the_letters_of_a_row_are_a_click_away(operator: Client) -> None:
    make_dead_letter(fingerprint="aa" * 8)
    make_dead_letter(fingerprint="bb" * 8, exception="builtins.KeyError", message="no sport")
    listing = reverse("admin:streaming_deadletter_changelist")
    response = operator.get(f"{listing}?fingerprint__in={'aa' * 8}")
    assert response.status_code == 200
    text = response.content.decode()
    assert "no market" in text
    assert "no sport" not in text


def test_what_changed_shortly_before_is_listed_and_escaped(operator: Client) -> None:
    make_dead_letter()
    SettingChange.objects.create(name="HARDLINE_MIN_EDGE_EV", value="0.03", changed_by="<b>ana</b>")
    SettingChange.objects.update(changed_at=NOON - timedelta(minutes=5))
    text = shown(operator)
    assert "Changed in the 30 minutes before it began" in text
    assert "&lt;b&gt;ana&lt;/b&gt;" in text


def test_settled_letters_are_shown_when_they_are_asked_for(operator: Client) -> None:
    make_dead_letter(status="healed")
    assert "No open dead letters" in shown(operator)
    assert "no market" in shown(operator, "?show=all")


def test_a_user_without_the_permission_is_refused() -> None:
    assert client_of().get(reverse(PAGE)).status_code == 403


def test_the_page_takes_as_many_statements_for_many_patterns_as_for_one(operator: Client) -> None:
    make_dead_letter()
    shown(operator)
    few = statements_of(lambda: shown(operator))
    for number in range(30):
        make_dead_letter(
            fingerprint=f"{number:016x}", exception=f"a.Error{number}", message=f"x{'y' * number}"
        )
    assert statements_of(lambda: shown(operator)) == few
