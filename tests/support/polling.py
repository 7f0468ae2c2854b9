"""Providers that are polled over real HTTP: what the tests of the polling side have in common."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.db.models import Model

from betting.config import Config, get_config
from betting.models import Event, Feed, LineChange, Market, Outcome, Provider, Quote
from streaming.models import PollRun
from streaming.polling.poll import poll
from streaming.simulator.policy import MarketPolicy
from streaming.simulator.running import RunningSimulator

KEY_ENV = "HARDLINE_KEY_TESTS"
KEY = "5ecre7c0ffee5ecre7c0ffee5ecre7c0"
EPL, NBA = "soccer_epl", "basketball_nba"

STILL = MarketPolicy(events_per_sport=3, speed=0.001, duration_seconds=(0.1, 0.2))
"""A market in which nothing moves while a test looks at it.

No event is in play from the start: of those, bookmakers may be off the board already.
"""


def config_with(*, dedupe_ms: int = 0, **fetch: Any) -> Config:
    """The usual configuration, in which any request may be repeated at once."""
    config = get_config()
    return replace(
        config,
        poll=replace(config.poll, dedupe_ms=dedupe_ms),
        fetch=replace(config.fetch, **fetch),
    )


def polled_provider(simulator: RunningSimulator, **fields: Any) -> Provider:
    """A provider row that asks the simulator, with the key that `KEY_ENV` holds."""
    values = {
        "key": "simulated",
        "adapter": "the_odds_api",
        "base_url": simulator.base_url,
        "sports": [EPL],
        "markets": ["h2h", "totals"],
        "regions": ["eu", "uk"],
        "api_key_env": KEY_ENV,
        # The bookmakers' stamps stand still with the market, however long the tests take.
        "stale_after_seconds": 86_400.0,
    }
    return Provider.objects.create(**{**values, **fields})


def poll_now(provider: Provider, config: Config | None = None) -> list[PollRun]:
    """Poll, and return the rows this left, oldest first."""
    known = list(PollRun.objects.values_list("pk", flat=True))
    list(poll(provider.pk, config or config_with()))
    return list(PollRun.objects.exclude(pk__in=known).order_by("pk"))


def everything_known() -> list[list[Any]]:
    """All that an answer may change, its own row and the provider's quota aside."""
    models: list[type[Model]] = [Event, Market, Outcome, Quote, LineChange, Feed]
    return [list(model._default_manager.order_by("pk").values_list()) for model in models]
