"""The pages that are shown instead of one that cannot be."""

from __future__ import annotations

import django.db
import pytest
from django.contrib.auth.models import User
from django.test import Client

import betting.web.board.views
from tests.support import rows

SECRET = "relation of a secret"


@pytest.fixture
def visitor(db: None) -> Client:  # noqa: ARG001 - asks for a fixture
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_user("ana"))
    return client


@pytest.mark.parametrize(
    "address",
    ["/nowhere", "/events/4711/", "/edges/4711/", "/events/99999999999999999999/", "/admin/docs/x"],
)
def test_an_address_that_leads_nowhere_says_so_and_leads_back(
    visitor: Client, address: str
) -> None:
    visitor.force_login(User.objects.create_superuser("olga"))
    response = visitor.get(address)
    assert response.status_code == 404
    text = response.content.decode()
    assert "There is no such page" in text
    assert '<a href="/">Board</a>' in text


@pytest.mark.parametrize(
    "address",
    [
        "/%00",
        "/admin/docs/%00.md",
        "/admin/docs/runbook.md?a=%00",
        "/admin/autocomplete/?term=%00&app_label=betting&model_name=quote&field_name=bookmaker",
    ],
)
def test_an_address_with_a_null_character_is_malformed(visitor: Client, address: str) -> None:
    visitor.force_login(User.objects.create_superuser("olga"))
    response = visitor.get(address)
    assert response.status_code == 400
    assert "This request cannot be read" in response.content.decode()
    assert "Content-Security-Policy" in response.headers


@pytest.mark.usefixtures("redis")
def test_an_id_with_more_digits_than_can_be_read_is_that_of_nothing(visitor: Client) -> None:
    event = rows.make_board((2.0, 1.7), (1.9, 1.8)).event
    assert visitor.get(f"/events/{event.pk}/?market={'9' * 5_000}").status_code == 404
    assert visitor.get(f"/events/{event.pk}/?market=nothing").status_code == 200


def test_a_page_without_permission_says_who_grants_it(visitor: Client) -> None:
    visitor.force_login(User.objects.create_user("otto", is_staff=True))
    response = visitor.get("/admin/streaming/health/")
    assert response.status_code == 403
    assert "An administrator can grant it" in response.content.decode()


@pytest.mark.django_db
def test_a_form_without_its_token_says_that_nothing_was_changed() -> None:
    client = Client(enforce_csrf_checks=True)
    response = client.post("/login/", {"username": "ana", "password": "x"})
    assert response.status_code == 403
    assert "Nothing was changed" in response.content.decode()


def test_a_defect_is_said_without_its_details(
    visitor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ValueError(SECRET)

    monkeypatch.setattr(betting.web.board.views, "strip", fail)
    response = visitor.get("/")
    assert response.status_code == 500
    text = response.content.decode()
    assert "This page has failed" in text
    assert SECRET not in text
    assert "http-equiv" not in text


def test_a_page_waits_for_a_database_that_is_away(
    visitor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise django.db.OperationalError(SECRET)

    monkeypatch.setattr(betting.web.board.views, "strip", fail)
    response = visitor.get("/")
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    text = response.content.decode()
    assert "The database does not answer" in text
    assert '<meta http-equiv="refresh" content="5">' in text
    assert SECRET not in text
