"""Notifications to subscribers: one struct for each type; docs/notifications.md describes them.

A notification may arrive twice, with the same `id`. Notifications about one market may arrive out
of order; the market's `version` in them gives the order.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

import msgspec


class _Notification(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """The fields of every notification.

    Attributes:
        id: the same whenever the notification is delivered again.
        occurred_at: when it happened, aware.
    """

    id: UUID
    occurred_at: datetime


class _MarketNotification(_Notification, frozen=True, kw_only=True, tag_field="type"):
    """The fields of every notification about a market.

    Attributes:
        sport: the sport's key.
        event_id: our id of the event.
        home: the home side.
        away: the away side.
        commence_time: when the event starts.
        market_id: our id of the market.
        market: the market's key, e.g. ``spreads_h1``.
        participant: whom the market is about (a player), or empty.
        version: the version of the market that this is about; a higher one is newer.
    """

    sport: str
    event_id: int
    home: str
    away: str
    commence_time: datetime
    market_id: int
    market: str
    participant: str
    version: int


class LineMajor(_MarketNotification, frozen=True, kw_only=True, tag="line.major"):
    """Notification that a market made a major move.

    Attributes:
        provider: the provider's key.
        changes: line changes of the market in the answer, minor ones included.
        price_change: the largest relative price change among the major ones, ``movement`` on the
            wire; None where there are only suspensions.
    """

    provider: str
    changes: int
    price_change: float | None = msgspec.field(name="movement")


class _EdgeNotification(_MarketNotification, frozen=True, kw_only=True, tag_field="type"):
    """The fields of both notifications about an edge.

    Attributes:
        edge_id: our id of the edge; the same when it opens and when it closes.
        bookmaker: the bookmaker's key.
        side: ``back`` or ``lay``.
        outcome: the outcome's name.
        point: its handicap or total; None where the market has none.
        price: decimal odds.
        probability: the consensus of the other bookmakers.
        ev: expected value per unit staked, net of commission.
    """

    edge_id: int
    bookmaker: str
    side: str
    outcome: str
    point: float | None
    price: float
    probability: float
    ev: float


class EdgeOpened(_EdgeNotification, frozen=True, kw_only=True, tag="edge.opened"):
    """Notification that a quote is above its fair price.

    Attributes:
        advised: the advised stake, fraction of the bankroll; 0 in play unless a setting asks for
            it, and for a doubtful edge.
        warnings: ``in_play``, ``outlier`` and ``suspicious``, whose edges the default list leaves
            out; ``near_stale``, ``few_books`` and ``push_unknown``.
    """

    advised: float
    warnings: list[str]


class EdgeClosed(_EdgeNotification, frozen=True, kw_only=True, tag="edge.closed"):
    """Notification that an edge has closed.

    Attributes:
        reason: why, e.g. ``gone`` or ``suspended``.
        peak_ev: the best it was.
    """

    reason: str
    peak_ev: float


class CircuitOpened(_Notification, frozen=True, kw_only=True, tag="circuit.opened"):
    """Notification that a provider is not polled for a while.

    Attributes:
        provider: the provider's key.
        reason: why, one line.
        retry_at: when it is asked again; None while an operator holds it open.
    """

    provider: str
    reason: str
    retry_at: datetime | None


class CircuitClosed(_Notification, frozen=True, kw_only=True, tag="circuit.closed"):
    """Notification that a provider is polled as usual again.

    Attributes:
        provider: the provider's key.
        reason: why, one line.
    """

    provider: str
    reason: str


class HealthChanged(_Notification, frozen=True, kw_only=True, tag="health.changed"):
    """Notification that the health of the whole has changed.

    Attributes:
        status: what it is now.
        previous: what it was.
        reasons: what is wrong, one line each; empty when nothing is.
    """

    status: str
    previous: str
    reasons: tuple[str, ...]


class DeadletterAdded(_Notification, frozen=True, kw_only=True, tag="deadletter.added"):
    """Notification that work failed for good and waits for a person.

    It is never about a missed delivery: that would be one more delivery to the same failing
    subscriber.

    Attributes:
        letter_id: our id of the letter.
        kind: how it failed, e.g. ``exception``.
        task: the task's name.
        error: why, one line.
    """

    letter_id: int
    kind: str
    task: str
    error: str


class SubscriberTest(_Notification, frozen=True, kw_only=True, tag="subscriber.test"):
    """Test notification, sent to one subscriber regardless of its filter.

    Attributes:
        subscriber: the subscriber's key.
    """

    subscriber: str


class AlertDue(_Notification, frozen=True, kw_only=True, tag="alert.due"):
    """Message that alerts are due to one subscriber, whose rows say what about.

    Attributes:
        alerts: our ids of the alerts.
    """

    alerts: tuple[int, ...]


Notification = (
    LineMajor
    | EdgeOpened
    | EdgeClosed
    | CircuitOpened
    | CircuitClosed
    | HealthChanged
    | DeadletterAdded
    | SubscriberTest
    | AlertDue
)

#: Type → struct, of every notification.
STRUCTS: dict[str, type[msgspec.Struct]] = {
    str(struct.__struct_config__.tag): struct for struct in get_args(Notification)
}

#: Types that a subscriber can ask for.
TYPES: tuple[str, ...] = tuple(
    name for name in STRUCTS if name not in {"subscriber.test", "alert.due"}
)


def type_of(notification: Notification) -> str:
    """Return the type of a notification, as it is sent.

    >>> closed = CircuitClosed(
    ...     id=UUID(int=1), occurred_at=datetime(2026, 1, 1), provider="acme", reason="well again"
    ... )
    >>> type_of(closed)
    'circuit.closed'
    """
    return str(notification.__struct_config__.tag)


def to_message(notifications: Sequence[Notification]) -> list[dict[str, Any]]:
    """Return notifications as JSON values, for a message or a webhook's body."""
    rows: list[dict[str, Any]] = msgspec.to_builtins(list(notifications))
    return rows


def from_message(rows: Sequence[dict[str, Any]]) -> list[Notification]:
    """Return the notifications that a message holds.

    Raises:
        msgspec.ValidationError: a row is none of the structs.
    """
    return msgspec.convert(rows, list[Notification])
