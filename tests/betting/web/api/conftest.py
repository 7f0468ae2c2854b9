"""Clients of the API: one that may read, one that may operate, one that is nobody."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Permission, User
from django.core import signals
from django.db import close_old_connections
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from betting.web.api.views import stream as view
from streaming import tasks


@pytest.fixture(autouse=True)
def _uncounted(redis: object) -> None:
    """No test is refused for the requests of another."""


@pytest.fixture(autouse=True)
def _own_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds places taken, or a tail followed, by streams of another that still end."""
    monkeypatch.setattr(view, "_PLACES", view.Places())
    monkeypatch.setattr(view, "_TAIL", view.new_tail())


def client_of(user: User) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=user).key}")
    return client


@pytest.fixture
def nobody() -> APIClient:
    return APIClient()


@pytest.fixture
def reader(db: None) -> APIClient:  # noqa: ARG001 - asks for a fixture
    return client_of(User.objects.create_user("ana"))


@pytest.fixture
def letter_reader(db: None) -> APIClient:  # noqa: ARG001 - asks for a fixture
    """A client that may read everything, dead letters included."""
    user = User.objects.create_user("lea")
    user.user_permissions.set(Permission.objects.filter(codename="view_deadletter"))
    return client_of(user)


@pytest.fixture
def operator(db: None) -> APIClient:  # noqa: ARG001 - asks for a fixture
    user = User.objects.create_user("ada", is_staff=True)
    operating = Permission.objects.filter(codename__in=["change_circuit", "change_deadletter"])
    user.user_permissions.set(operating)
    return client_of(user)


@pytest.fixture
def quarantined(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The providers whose prices a task was sent to take off the board."""
    sent: list[int] = []
    monkeypatch.setattr(tasks.quarantine, "delay", sent.append)
    return sent


@pytest.fixture
def kept_connection() -> Iterator[None]:
    """The end of a request leaves the test's transaction open, as with Django's own client."""
    signals.request_started.disconnect(close_old_connections)
    signals.request_finished.disconnect(close_old_connections)
    yield
    signals.request_started.connect(close_old_connections)
    signals.request_finished.connect(close_old_connections)
