"""Events for tests: one maker for each struct, every field with a value that can be replaced."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import uuid4

from redis import Redis

from streaming.core.notifications import (
    CircuitClosed,
    CircuitOpened,
    DeadletterAdded,
    EdgeClosed,
    EdgeOpened,
    HealthChanged,
    LineMajor,
    SubscriberTest,
)
from tests.support.rows import NOON


def _happened() -> dict[str, Any]:
    return {"id": uuid4(), "occurred_at": NOON}


def _on_a_market() -> dict[str, Any]:
    return {
        **_happened(),
        "sport": "basketball_nba",
        "event_id": 7,
        "home": "Home",
        "away": "Away",
        "commence_time": NOON,
        "market_id": 11,
        "market": "h2h",
        "participant": "",
        "version": 3,
    }


def _of_an_edge() -> dict[str, Any]:
    return {
        **_on_a_market(),
        "edge_id": 13,
        "bookmaker": "elm",
        "side": "back",
        "outcome": "Home",
        "point": None,
        "price": 2.1,
        "probability": 0.5,
        "ev": 0.05,
    }


def line_major(**fields: Any) -> LineMajor:
    moved = {"provider": "mine", "changes": 2, "price_change": 0.08}
    return LineMajor(**{**_on_a_market(), **moved, **fields})


def edge_opened(**fields: Any) -> EdgeOpened:
    return EdgeOpened(**{**_of_an_edge(), "advised": 0.01, "warnings": [], **fields})


def edge_closed(**fields: Any) -> EdgeClosed:
    return EdgeClosed(**{**_of_an_edge(), "reason": "gone", "peak_ev": 0.06, **fields})


def circuit_opened(**fields: Any) -> CircuitOpened:
    opened = {"provider": "mine", "reason": "3 failures in a row", "retry_at": NOON}
    return CircuitOpened(**{**_happened(), **opened, **fields})


def circuit_closed(**fields: Any) -> CircuitClosed:
    return CircuitClosed(**{**_happened(), "provider": "mine", "reason": "well again", **fields})


def health_changed(**fields: Any) -> HealthChanged:
    changed = {"status": "warning", "previous": "ok", "reasons": ("circuit open",)}
    return HealthChanged(**{**_happened(), **changed, **fields})


def deadletter_added(**fields: Any) -> DeadletterAdded:
    added = {"letter_id": 17, "kind": "exception", "task": "a.b", "error": "ValueError: no"}
    return DeadletterAdded(**{**_happened(), **added, **fields})


def subscriber_test(**fields: Any) -> SubscriberTest:
    return SubscriberTest(**{**_happened(), "subscriber": "webhook:mine", **fields})


def sent_to_subscribers(redis: Redis) -> list[dict[str, Any]]:
    """Take every notification for a subscriber off the broker, oldest first."""
    found = []
    for raw in reversed(redis.lrange("deliver", 0, -1)):
        args, _, _ = json.loads(base64.b64decode(json.loads(raw)["body"]))
        found += args[2]
    redis.delete("deliver")
    return found
