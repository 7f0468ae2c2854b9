"""The outlook of a snapshot: facts beside its score that nothing acts upon.

It is stored as JSON, and a later release may store another one: what cannot be read is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from streaming.core.error_budget import BurnLimit, burning

WINDOW_NAMES: Mapping[timedelta, str] = {
    timedelta(minutes=5): "5m",
    timedelta(minutes=30): "30m",
    timedelta(hours=1): "1h",
    timedelta(hours=6): "6h",
    timedelta(days=3): "3d",
}
"""The names of the windows, as metrics have them."""

_WINDOWS = {name: window for window, name in WINDOW_NAMES.items()}


class Outlook(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """The outlook.

    Attributes:
        score: the score weighted by consequence.
        reason: what decides it; empty where every check passes.
        levels: resource → how much of it is used.
        burn: objective → window → burn rate; windows that cannot be judged are left out.
        exhausted: resource → when it will have run out; those of which that is not clear are left
            out.
    """

    score: int
    reason: str = ""
    levels: dict[str, float] = {}
    burn: dict[str, dict[str, float]] = {}
    exhausted: dict[str, datetime] = {}

    def burning(self) -> dict[str, BurnLimit]:
        """Return objective → the limit that both of its windows reach."""
        found = {name: burning(_by_window(rates)) for name, rates in self.burn.items()}
        return {name: limit for name, limit in found.items() if limit is not None}


def written(outlook: Outlook) -> dict[str, Any]:
    """Return an outlook as JSON values."""
    values: dict[str, Any] = msgspec.to_builtins(outlook)
    return values


def read(values: object) -> Outlook | None:
    """Return the outlook of JSON values; None where there is none that can be read.

    >>> read({"score": 55, "of": "a later release"})
    Outlook(score=55, reason='', levels={}, burn={}, exhausted={})
    >>> read(None), read({"score": "unknown"})
    (None, None)
    """
    try:
        return msgspec.convert(values, Outlook)
    except msgspec.ValidationError:
        return None


def _by_window(rates: Mapping[str, float]) -> dict[timedelta, float]:
    return {_WINDOWS[name]: rate for name, rate in rates.items() if name in _WINDOWS}
