"""The registered adapters. A new provider is a folder, two lines here and recorded payloads.

`docs/adding-a-provider.md` describes the steps; `streaming.providers._template` is what to copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from streaming.core.failures import PermanentFailure
from streaming.core.texts import choices, one_line
from streaming.providers.base import Adapter
from streaming.providers.betfair.stream import BetfairStream
from streaming.providers.kalshi.adapter import Kalshi
from streaming.providers.kalshi.stream import KalshiStream
from streaming.providers.recording.adapter import RecordingAdapter
from streaming.providers.the_odds_api.adapter import TheOddsApi

_PROTOCOLS: tuple[Adapter, ...] = (TheOddsApi(), Kalshi(), KalshiStream(), BetfairStream())

PLAYERS = frozenset({BetfairStream.key, RecordingAdapter.key})
"""Keys of the adapters that play a file: their base URL is its path."""

_BY_KEY = {adapter.key: adapter for adapter in _PROTOCOLS}
ADAPTERS: Mapping[str, Adapter] = MappingProxyType(
    {**_BY_KEY, RecordingAdapter.key: RecordingAdapter(_BY_KEY)}
)


def adapter(key: str) -> Adapter:
    """Return the adapter registered under a key.

    Raises:
        PermanentFailure: no adapter has this key; the advice names the nearest.
    """
    found = ADAPTERS.get(key)
    if found is not None:
        return found
    raise PermanentFailure(
        "unknown_adapter",
        f"No adapter is called {one_line(key)!r}.",
        choices(key, sorted(ADAPTERS)),
    )
