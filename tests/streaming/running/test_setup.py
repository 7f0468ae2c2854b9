from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth import authenticate

from betting.config import WebConfig
from betting.models import Provider
from streaming.providers.registry import adapter
from streaming.running import setup

pytestmark = pytest.mark.django_db


def test_the_administrator_is_created_once_and_its_password_kept(tmp_path: Path) -> None:
    first = setup.ensure_admin(tmp_path / "home")
    second = setup.ensure_admin(tmp_path / "home")
    assert (first.is_new, second.is_new) == (True, False)
    assert second.is_current
    assert first.password == second.password == second.file.read_text().strip()
    assert first.file.stat().st_mode & 0o077 == 0
    assert first.password not in repr(first)
    user = authenticate(username=setup.ADMIN, password=first.password)
    assert user is not None
    assert user.is_superuser


def test_a_password_that_the_administrator_changed_is_left_alone(tmp_path: Path) -> None:
    generated = setup.ensure_admin(tmp_path / "home").password
    user = authenticate(username=setup.ADMIN, password=generated)
    assert user is not None
    user.set_password("of their own choice")
    user.save()
    assert not setup.ensure_admin(tmp_path / "home").is_current
    assert authenticate(username=setup.ADMIN, password="of their own choice") is not None


def test_another_installations_administrator_keeps_the_password_it_has(tmp_path: Path) -> None:
    theirs = setup.ensure_admin(tmp_path / "theirs")
    ours = setup.ensure_admin(tmp_path / "ours")
    assert (ours.is_new, ours.is_current) == (False, False)
    assert authenticate(username=setup.ADMIN, password=theirs.password) is not None


def test_the_simulator_is_a_provider_like_any_other() -> None:
    setup.enable_simulator(WebConfig(simulator_port=9002))
    provider = Provider.objects.get(key=setup.SIMULATOR)
    assert adapter(provider.adapter).key == "the_odds_api"
    assert provider.base_url == "http://127.0.0.1:9002"
    assert provider.enabled
    assert provider.stale_after_seconds > provider.interval_seconds


def test_what_an_operator_set_on_the_simulator_survives_the_next_run() -> None:
    setup.enable_simulator(WebConfig())
    Provider.objects.filter(key=setup.SIMULATOR).update(interval_seconds=7.0, sports=["soccer_epl"])
    setup.disable_simulator()
    assert not Provider.objects.get(key=setup.SIMULATOR).enabled
    setup.enable_simulator(WebConfig(simulator_port=9002))
    provider = Provider.objects.get(key=setup.SIMULATOR)
    assert (provider.interval_seconds, provider.sports) == (7.0, ["soccer_epl"])
    assert (provider.enabled, provider.base_url) == (True, "http://127.0.0.1:9002")
