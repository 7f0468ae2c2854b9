"""Who may do what, and how those who may not are told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from redis.exceptions import ConnectionError as RedisConnectionError
from rest_framework.test import APIClient
from rest_framework.throttling import SimpleRateThrottle

from betting.config import get_config
from betting.web.api import throttles
from betting.web.api.views.odds import EventViews
from streaming.models import CircuitTransition, DeadLetter, DeadLetterAction
from tests.betting.web.api.conftest import client_of
from tests.betting.web.api.filled import LISTS, url
from tests.support import rows

pytestmark = pytest.mark.django_db

READS = [*LISTS, "health", "clv"]


def assert_problem(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["type"] == "about:blank"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    return problem


def operations() -> list[str]:
    """A POST to each of these does something, if it is allowed."""
    provider = rows.make_circuit(rows.make_provider()).provider.key
    letter = rows.make_dead_letter().pk
    return [
        *(f"/api/v1/circuits/{provider}/{command}/" for command in ("open", "close")),
        *(f"/api/v1/circuits/{provider}/{command}/" for command in ("reset", "disable")),
        f"/api/v1/dead-letters/{letter}/replay/",
        f"/api/v1/dead-letters/{letter}/discard/",
    ]


@pytest.mark.parametrize("name", [*READS, "stream"])
def test_nobody_reads_without_credentials(nobody: APIClient, name: str) -> None:
    response = nobody.get(url(name))

    assert_problem(response, 401)
    assert response["WWW-Authenticate"] == "Token"


@pytest.mark.parametrize("name", [name for name in READS if name != "dead-letters"])
def test_every_user_reads_and_no_shared_cache_keeps_it(reader: APIClient, name: str) -> None:
    response = reader.get(url(name))

    assert response.status_code == 200
    assert response["Cache-Control"] == "private, no-cache"


def test_dead_letters_are_read_by_who_may_view_them_alone(
    reader: APIClient, letter_reader: APIClient
) -> None:
    letter = rows.make_dead_letter(traceback="Traceback …").pk
    for address in (url("dead-letters"), f"{url('dead-letters')}{letter}/"):
        assert b"Traceback" not in reader.get(address).content
        assert_problem(reader.get(address), 403)
        response = letter_reader.get(address)
        assert response.status_code == 200
        assert response["Cache-Control"] == "private, no-cache"


def test_a_session_reads_as_a_token_does() -> None:
    client = APIClient()
    client.force_login(User.objects.create_user("ana"))

    assert client.get(url("events")).status_code == 200


def test_a_wrong_token_is_told_so(nobody: APIClient) -> None:
    assert_problem(nobody.get(url("events"), HTTP_AUTHORIZATION="Token 0000"), 401)


@pytest.mark.parametrize(
    ("is_staff", "codenames"),
    [
        (False, ()),
        (True, ()),
        (True, ("view_circuit", "view_deadletter")),
        (False, ("change_circuit", "change_deadletter")),
    ],
)
def test_only_staff_with_the_permission_operates(
    is_staff: bool, codenames: tuple[str, ...]
) -> None:
    user = User.objects.create_user("eve", is_staff=is_staff)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = client_of(user)

    for address in operations():
        assert_problem(client.post(address, {"reason": "I may."}, format="json"), 403)

    assert not CircuitTransition.objects.exists()
    assert not DeadLetterAction.objects.exists()
    assert set(DeadLetter.objects.values_list("status", flat=True)) == {"new"}


def test_the_permission_for_circuits_is_not_that_for_letters(quarantined: list[int]) -> None:
    user = User.objects.create_user("cyd", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="change_circuit"))
    client = client_of(user)

    statuses = [
        client.post(address, {"reason": "Maintenance."}, format="json").status_code
        for address in operations()
    ]

    assert statuses == [200, 200, 200, 200, 403, 403]
    assert len(quarantined) == 1


def test_a_session_operates_only_with_its_csrf_token() -> None:
    user = User.objects.create_superuser("root")
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(user)

    for address in operations():
        assert_problem(client.post(address, {"reason": "Cross-site."}, format="json"), 403)


def test_what_is_not_there_is_a_problem_too(reader: APIClient, nobody: APIClient) -> None:
    assert_problem(reader.get("/api/v1/events/999/"), 404)
    assert_problem(reader.get("/api/v1/events/99999999999999999999/"), 404)
    assert_problem(reader.get("/api/v1/bookmakers/%00/"), 404)
    assert_problem(nobody.get("/api/v1/evens/"), 404)
    assert_problem(nobody.get("/api/v1/"), 401)


def test_a_method_that_does_not_go_is_a_problem(operator: APIClient) -> None:
    response = operator.delete(url("events"))

    assert_problem(response, 405)
    assert "GET" in response["Allow"]


def test_a_body_that_is_no_json_is_a_problem(operator: APIClient) -> None:
    (address, *_) = operations()

    assert_problem(operator.post(address, "{", content_type="application/json"), 400)
    assert_problem(operator.post(address, "a=b", content_type="text/plain"), 415)


DEEP, LONG = "[" * 200_000, '{"reason": "' + "x" * 3_000_000 + '"}'


@pytest.mark.parametrize(("body", "status"), [(DEEP, 400), (LONG, 413)])
def test_a_body_beyond_all_bounds_is_the_sender_s_problem(
    operator: APIClient, body: str, status: int
) -> None:
    session = APIClient()
    session.force_login(User.objects.get(username="ada"))
    (address, *_) = operations()

    for client in (operator, session):
        assert_problem(client.post(address, body, content_type="application/json"), status)


def test_a_failure_of_ours_says_nothing_of_what_it_was(
    reader: APIClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_self: EventViews) -> None:
        raise LookupError("the password is swordfish")

    monkeypatch.setattr(EventViews, "get_queryset", fail)

    response = reader.get(url("events"))

    assert_problem(response, 500)
    assert b"swordfish" not in response.content
    assert "a request of the API failed: view=EventViews" in caplog.text


def test_whoever_asks_too_often_is_told_when_to_ask_again(
    reader: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(get_config(), api=replace(get_config().api, user_per_minute=2))
    monkeypatch.setattr(throttles, "get_config", lambda: config)

    statuses = [reader.get(url("events")).status_code for _ in range(2)]
    refused = reader.get(url("events"))

    assert statuses == [200, 200]
    assert_problem(refused, 429)
    assert 0 < int(refused["Retry-After"]) <= 60


def test_tokens_are_not_guessed_at_without_end(
    nobody: APIClient, reader: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(get_config(), api=replace(get_config().api, anonymous_per_minute=2))
    monkeypatch.setattr(throttles, "get_config", lambda: config)
    guesses = [f"Token {guess}" for guess in range(3)]

    statuses = [
        nobody.get(
            url("events"), HTTP_AUTHORIZATION=guess, HTTP_X_FORWARDED_FOR=f"10.0.0.{number}"
        ).status_code
        for number, guess in enumerate(guesses)
    ]

    assert statuses == [401, 401, 429]
    assert reader.get(url("events")).status_code == 200


def test_while_redis_is_away_requests_are_answered_uncounted(
    reader: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> bool:
        raise RedisConnectionError("no such socket")

    monkeypatch.setattr(SimpleRateThrottle, "allow_request", away)

    assert reader.get(url("events")).status_code == 200


def test_tokens_have_no_page_in_the_admin(client: Any) -> None:
    client.force_login(User.objects.create_superuser("root"))

    assert "authtoken" not in client.get(reverse("admin:index")).content.decode()


def test_the_description_is_for_everybody_and_loads_nothing_from_elsewhere(
    nobody: APIClient,
) -> None:
    assert nobody.get("/api/v1/schema/").status_code == 200
    page = nobody.get("/api/v1/docs/").content.decode()

    assert "swagger-ui" in page
    assert "//cdn" not in page
    assert "https://" not in page
