"""Two simulated providers over one market, whose answers can be frozen.

They share a sport: its events, and some bookmakers' prices, come from both. So the matching of
events and the rule of the fresher price are under fire as well. Both read one market, and once it
is frozen they agree.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from betting.models import Provider
from streaming.core.key_variables import SIMULATOR_KEY_ENV
from streaming.simulator.market import Market
from streaming.simulator.odds_api import OddsApi
from streaming.simulator.policy import MarketPolicy
from streaming.simulator.query import Answer
from streaming.simulator.running import API_KEY, RunningSimulator, running_simulator

POLL_SECONDS = 1.0
STALE_AFTER_SECONDS = 600.0
"""Longer than a freeze, during which no stamp moves."""

POLICY = MarketPolicy(events_per_sport=4, speed=4.0, suspend_rate=0.5, news_per_second=1 / 60)

SPORTS: Mapping[str, tuple[str, ...]] = {
    "north": ("soccer_epl", "basketball_nba"),
    "south": ("basketball_nba", "baseball_mlb"),
}
_REGIONS = {"north": ["eu", "uk"], "south": ["us", "eu"]}
_MARKETS = ["h2h", "spreads", "totals"]


class SharedMarket:
    """The market of both providers; a `Source` of each one's server, which has its own thread.

    Args:
        seed: of the market.
    """

    def __init__(self, seed: int) -> None:
        self._api = OddsApi(Market(datetime.now(UTC), seed, policy=POLICY), API_KEY)
        self._lock = threading.Lock()
        self._frozen_at: datetime | None = None

    def answer(self, path: str, params: Mapping[str, str], now: datetime) -> Answer:
        """Answer as of now, or as of when the market was frozen."""
        with self._lock:
            return self._api.answer(path, params, self._frozen_at or now)

    def freeze(self) -> datetime:
        """Give the same answers from now on; return since when."""
        with self._lock:
            self._frozen_at = datetime.now(UTC)
            return self._frozen_at

    def thaw(self) -> None:
        """Move again."""
        with self._lock:
            self._frozen_at = None


@dataclass(frozen=True, slots=True)
class Feeds:
    """The providers' servers.

    Attributes:
        market: what both answer from.
        servers: by the provider's key.
    """

    market: SharedMarket
    servers: Mapping[str, RunningSimulator]


@contextmanager
def serving(seed: int) -> Iterator[Feeds]:
    """Serve both providers until the block ends."""
    market = SharedMarket(seed)
    with running_simulator(market) as north, running_simulator(market) as south:
        yield Feeds(market, {"north": north, "south": south})


def enable(base_urls: Mapping[str, str]) -> None:
    """Poll the providers from now on.

    Args:
        base_urls: where each one's server is, by its key.
    """
    for key, base_url in base_urls.items():
        Provider.objects.update_or_create(
            key=key,
            defaults={
                "adapter": "the_odds_api",
                "base_url": base_url,
                "sports": list(SPORTS[key]),
                "markets": _MARKETS,
                "regions": _REGIONS[key],
                "api_key_env": SIMULATOR_KEY_ENV,
                "interval_seconds": POLL_SECONDS,
                "stale_after_seconds": STALE_AFTER_SECONDS,
                "enabled": True,
                "next_poll_at": None,
            },
        )
