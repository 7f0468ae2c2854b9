"""What subscribers are told: one struct for each type of event; docs/events.md describes them.

An event may arrive twice: its `id` says so. Events of one market may arrive out of order: the
`version` of the market that they speak of says that.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

import msgspec


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What all events have.

    Attributes:
        id: the same whenever the event is delivered again.
        occurred_at: when it happened, aware.
    """

    id: UUID
    occurred_at: datetime


class _MarketEvent(_Event, frozen=True, kw_only=True, tag_field="type"):
    """What all events about a market have.

    Attributes:
        sport: the sport's key.
        event_id: our id of the event.
        home: the home side.
        away: the away side.
        commence_time: when the event starts.
        market_id: our id of the market.
        market: the market's key, e.g. ``spreads_h1``.
        participant: whom the market is about (a player), or empty.
        version: the market's version that this speaks of; a higher one is newer.
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


class LineMajor(_MarketEvent, frozen=True, kw_only=True, tag="line.major"):
    """A market made a major move.

    Attributes:
        provider: the provider's key.
        changes: line changes of the market in the answer, minor ones included.
        movement: the largest relative price change among the major ones; None where a suspension
            is all there is.
    """

    provider: str
    changes: int
    movement: float | None


class _EdgeEvent(_MarketEvent, frozen=True, kw_only=True, tag_field="type"):
    """What both events about an edge have.

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


class EdgeOpened(_EdgeEvent, frozen=True, kw_only=True, tag="edge.opened"):
    """A quote pays more than its fair price asks.

    Attributes:
        advised: the advised stake, fraction of the bankroll; 0 in play unless a setting asks for
            it, and of one that is doubtful.
        warnings: ``in_play``, ``outlier`` and ``suspicious`` are those that the default list leaves
            out; ``near_stale`` and ``few_books``.
    """

    advised: float
    warnings: list[str]


class EdgeClosed(_EdgeEvent, frozen=True, kw_only=True, tag="edge.closed"):
    """It no longer does.

    Attributes:
        reason: why, e.g. ``gone`` or ``suspended``.
        peak_ev: the best it was.
    """

    reason: str
    peak_ev: float


class CircuitOpened(_Event, frozen=True, kw_only=True, tag="circuit.opened"):
    """A provider is not asked any more for a while.

    Attributes:
        provider: the provider's key.
        reason: why, one line.
        retry_at: when it is asked again; None while an operator holds it open.
    """

    provider: str
    reason: str
    retry_at: datetime | None


class CircuitClosed(_Event, frozen=True, kw_only=True, tag="circuit.closed"):
    """A provider is asked as usual again.

    Attributes:
        provider: the provider's key.
        reason: why, one line.
    """

    provider: str
    reason: str


class HealthChanged(_Event, frozen=True, kw_only=True, tag="health.changed"):
    """The state of the whole is another.

    Attributes:
        status: what it is now.
        previous: what it was.
        reasons: what is wrong, one line each; empty when nothing is.
    """

    status: str
    previous: str
    reasons: tuple[str, ...]


class DeadletterAdded(_Event, frozen=True, kw_only=True, tag="deadletter.added"):
    """Something failed for good and waits for a person.

    Never about a missed delivery: that would be one more delivery to the same failing subscriber.

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


class SubscriberTest(_Event, frozen=True, kw_only=True, tag="subscriber.test"):
    """Somebody wants to see that events arrive. Sent to one subscriber, whatever it asks for.

    Attributes:
        subscriber: the subscriber's key.
    """

    subscriber: str


Event = (
    LineMajor
    | EdgeOpened
    | EdgeClosed
    | CircuitOpened
    | CircuitClosed
    | HealthChanged
    | DeadletterAdded
    | SubscriberTest
)

#: Type → struct, of every event.
STRUCTS: dict[str, type[msgspec.Struct]] = {
    str(struct.__struct_config__.tag): struct for struct in get_args(Event)
}

#: What a subscriber can ask for.
TYPES: tuple[str, ...] = tuple(name for name in STRUCTS if name != "subscriber.test")


def type_of(event: Event) -> str:
    """The event's type, as it travels.

    >>> closed = CircuitClosed(
    ...     id=UUID(int=1), occurred_at=datetime(2026, 1, 1), provider="acme", reason="well again"
    ... )
    >>> type_of(closed)
    'circuit.closed'
    """
    return str(event.__struct_config__.tag)


def to_message(events: Sequence[Event]) -> list[dict[str, Any]]:
    """The events as JSON values, for a message or a webhook's body."""
    rows: list[dict[str, Any]] = msgspec.to_builtins(list(events))
    return rows


def from_message(rows: Sequence[dict[str, Any]]) -> list[Event]:
    """The events that a message holds.

    Raises:
        msgspec.ValidationError: a row is none of the structs.
    """
    return msgspec.convert(rows, list[Event])
