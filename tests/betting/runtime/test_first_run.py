"""What a first run makes, once, however many processes make it at the same time."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User

from betting.runtime.first_run import ADMIN, ensure_admin

pytestmark = pytest.mark.django_db


def test_the_administrator_is_created_once_and_its_password_kept(tmp_path: Path) -> None:
    first = ensure_admin(tmp_path / "home")
    second = ensure_admin(tmp_path / "home")
    assert (first.is_new, second.is_new) == (True, False)
    assert second.is_current
    assert first.password == second.password == second.file.read_text().strip()
    assert first.file.stat().st_mode & 0o077 == 0
    assert first.password not in repr(first)
    user = authenticate(username=ADMIN, password=first.password)
    assert user is not None
    assert user.is_superuser


def test_a_password_that_the_administrator_changed_is_left_alone(tmp_path: Path) -> None:
    generated = ensure_admin(tmp_path / "home").password
    user = authenticate(username=ADMIN, password=generated)
    assert user is not None
    user.set_password("of their own choice")
    user.save()
    assert not ensure_admin(tmp_path / "home").is_current
    assert authenticate(username=ADMIN, password="of their own choice") is not None


def test_another_installations_administrator_keeps_the_password_it_has(tmp_path: Path) -> None:
    theirs = ensure_admin(tmp_path / "theirs")
    ours = ensure_admin(tmp_path / "ours")
    assert (ours.is_new, ours.is_current) == (False, False)
    assert authenticate(username=ADMIN, password=theirs.password) is not None


def test_of_two_runs_that_create_the_administrator_at_once_one_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    User.objects.create_superuser(ADMIN, password="of the first")
    # It was not there yet when this run looked.
    monkeypatch.setattr(type(User.objects), "filter", lambda *_, **__: User.objects.none())
    login = ensure_admin(tmp_path / "home")
    assert (login.is_new, login.is_current) == (False, False)
