"""The simulator as a provider: its row, and the key that it accepts."""

from __future__ import annotations

from pathlib import Path

from betting.config import WebConfig
from betting.models import Provider
from betting.runtime.embedded import stored_secret
from streaming.core.key_variables import SIMULATOR_KEY_ENV
from streaming.simulator.catalogue import BOOKMAKERS, SPORTS

SIMULATOR = "simulator"

_SIMULATOR_KEY = "simulator-key"
_KEY_BYTES = 12
_POLL_SECONDS = 2.0
_STALE_AFTER_SECONDS = 20.0


def simulator_key(home: Path) -> str:
    """Return the one API key that this checkout's simulator accepts."""
    return stored_secret(home, _SIMULATOR_KEY, _KEY_BYTES)


def enable_simulator(web: WebConfig) -> None:
    """Poll the simulator from now on; what an operator set on its row is kept."""
    provider, _ = Provider.objects.get_or_create(
        key=SIMULATOR,
        defaults={
            "adapter": "the_odds_api",
            "base_url": "",
            "sports": [sport.key for sport in SPORTS],
            "markets": ["h2h", "spreads", "totals"],
            "regions": sorted({book.region for book in BOOKMAKERS}),
            "api_key_env": SIMULATOR_KEY_ENV,
            "interval_seconds": _POLL_SECONDS,
            "stale_after_seconds": _STALE_AFTER_SECONDS,
        },
    )
    provider.base_url = web.simulator_url
    provider.enabled = True
    provider.next_poll_at = None
    provider.save(update_fields=["base_url", "enabled", "next_poll_at"])


def disable_simulator() -> None:
    """Do not poll the simulator: it does not run, or not yet."""
    Provider.objects.filter(key=SIMULATOR).update(enabled=False)
