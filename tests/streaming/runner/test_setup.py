from __future__ import annotations

import pytest

from betting.config import WebConfig
from betting.models import Provider
from streaming.providers.registry import adapter
from streaming.runner import setup

pytestmark = pytest.mark.django_db


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
