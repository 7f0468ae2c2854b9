"""The operators' pages over a stream that is well, under a clock of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from streaming.admin.operations import views
from streaming.health import report
from streaming.health.stream import look_at_stream
from tests.support.watch import Watch, all_workers, watch

__all__ = ["all_workers", "watch"]

T = TypeVar("T")

SEES = "view_healthsnapshot"


@pytest.fixture
def at_noon(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """The pages see the clock of the watch, and ask on the test's own connection."""

    def without_deadline(_seconds: float, action: Callable[[], T]) -> T:
        return action()

    monkeypatch.setattr(
        "streaming.health.observations.look_at_stream", lambda: look_at_stream(watch.now)
    )
    monkeypatch.setattr(report, "within", without_deadline)
    monkeypatch.setattr(views, "database_now", lambda: watch.now)
    watch.statuses()
    return watch


@pytest.fixture
def operator() -> Client:
    """A superuser who is logged in."""
    client = Client()
    client.force_login(User.objects.create_superuser("olga"))
    return client


def staff(*permissions: str) -> Client:
    """A member of the staff with some permissions, who is logged in."""
    user = User.objects.create_user("sam", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    assert user.user_permissions.count() == len(permissions)
    client = Client()
    client.force_login(user)
    return client
