"""Logins are not guessed at without end, neither the admin's nor Flower's."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from redis.exceptions import ConnectionError as RedisAwayError

from betting.web import login
from betting.web.guarded_flower import MAX_FAILURES, WINDOW_SECONDS, Gate

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

NAME, PASSWORD = "operator", "of some length"


@pytest.fixture(autouse=True)
def _operator() -> None:
    User.objects.create_superuser(NAME, password=PASSWORD)


def log_in(name: str, password: str, address: str = "192.0.2.1", page: str = "admin:login") -> bool:
    client = Client(REMOTE_ADDR=address)
    answer = client.post(reverse(page), {"username": name, "password": password})
    return answer.status_code == 302


def test_a_user_who_is_not_staff_logs_in_to_the_board_alone() -> None:
    User.objects.create_user("ana", password=PASSWORD)
    assert log_in("ana", PASSWORD, page="board:login")
    assert not log_in("ana", PASSWORD, page="admin:login")


@pytest.mark.parametrize("page", ["admin:login", "board:login"])
def test_a_login_that_came_from_no_page_leads_to_one_that_exists(page: str) -> None:
    client = Client()
    answer = client.post(reverse(page), {"username": NAME, "password": PASSWORD}, follow=True)
    assert answer.status_code == 200
    assert answer.redirect_chain


def test_failures_on_one_login_page_count_on_the_other() -> None:
    for _ in range(login.PER_NAME):
        assert not log_in(NAME, "wrong", page="board:login")
    assert not log_in(NAME, PASSWORD)


def test_a_password_is_not_tried_after_too_many_wrong_ones() -> None:
    for _ in range(login.PER_NAME):
        assert not log_in(NAME, "wrong")
    assert not log_in(NAME, PASSWORD)


def test_an_address_that_guesses_keeps_nobody_else_out() -> None:
    for _ in range(login.PER_NAME):
        log_in(NAME, "wrong")
    assert log_in(NAME, PASSWORD, address="192.0.2.2")


def test_an_address_that_tries_many_names_is_turned_away_as_well() -> None:
    for number in range(login.PER_ADDRESS):
        log_in(f"name{number}", "wrong")
    assert not log_in(NAME, PASSWORD)


def test_the_page_says_that_a_login_was_not_tried_and_when_it_will_be() -> None:
    for _ in range(login.PER_NAME):
        log_in(NAME, "wrong")
    client = Client(REMOTE_ADDR="192.0.2.1")
    page = client.post(reverse("admin:login"), {"username": NAME, "password": PASSWORD})
    assert "Try again in five minutes" in page.content.decode()


def test_a_right_password_is_not_counted() -> None:
    for _ in range(2 * login.PER_NAME):
        assert log_in(NAME, PASSWORD)


def test_operators_log_in_while_redis_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise RedisAwayError("refused")

    monkeypatch.setattr(cache, "get", away)
    monkeypatch.setattr(cache, "add", away)
    assert not log_in(NAME, "wrong")
    assert log_in(NAME, PASSWORD)


def test_flower_turns_an_address_away_until_the_window_ends() -> None:
    now = 0.0
    gate = Gate(lambda: now)
    for _ in range(MAX_FAILURES):
        assert not gate.is_closed("192.0.2.1")
        gate.count("192.0.2.1")
    assert gate.is_closed("192.0.2.1")
    assert not gate.is_closed("192.0.2.2")
    now += WINDOW_SECONDS
    assert not gate.is_closed("192.0.2.1")
