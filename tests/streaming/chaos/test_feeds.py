from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from betting.models import Provider
from streaming.chaos.feeds import SPORTS, SharedMarket, enable
from streaming.simulator.running import API_KEY

PARAMS = {"apiKey": API_KEY, "regions": "eu,us", "markets": "h2h,spreads,totals"}


def body(market: SharedMarket, seconds: float, sport: str = "basketball_nba") -> bytes:
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    return market.answer(f"/v4/sports/{sport}/odds", PARAMS, at).body


def test_a_frozen_market_gives_the_same_answers_until_it_thaws() -> None:
    market = SharedMarket(seed=1)
    market.freeze()
    frozen = body(market, 10)
    assert body(market, 60) == frozen
    market.thaw()
    assert body(market, 60) != frozen


def test_the_providers_share_a_sport_and_each_has_one_of_its_own() -> None:
    north, south = (set(sports) for sports in SPORTS.values())
    assert north & south
    assert north - south
    assert south - north


def test_a_market_has_what_both_providers_are_asked_for() -> None:
    market = SharedMarket(seed=1)
    for sport in {sport for sports in SPORTS.values() for sport in sports}:
        assert msgspec.json.decode(body(market, 1, sport))


@pytest.mark.django_db
def test_providers_that_were_moved_are_polled_at_once() -> None:
    enable({"north": "http://127.0.0.1:1", "south": "http://127.0.0.1:2"})
    Provider.objects.update(next_poll_at=datetime.now(UTC), enabled=False)
    enable({"north": "http://127.0.0.1:3", "south": "http://127.0.0.1:4"})
    rows = Provider.objects.order_by("key").values_list("base_url", "enabled", "next_poll_at")
    assert list(rows) == [("http://127.0.0.1:3", True, None), ("http://127.0.0.1:4", True, None)]
