"""Routing of notifications to subscribers, and their batches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streaming.core.events import EdgeClosed, EdgeOpened, Event, LineMajor, type_of


@dataclass(frozen=True, slots=True)
class Filter:
    """The notifications that a subscriber wants.

    Attributes:
        types: types of notifications; empty for all.
        sports: keys of sports; empty for all. Notifications that are about no sport pass.
        min_ev: the least expected value of an edge; None for all. Other notifications pass.
    """

    types: frozenset[str] = frozenset()
    sports: frozenset[str] = frozenset()
    min_ev: float | None = None

    def wants_type(self, *types: str) -> bool:
        """Return True if any notification of these types may pass."""
        return not self.types or not self.types.isdisjoint(types)

    def wants(self, event: Event) -> bool:
        """Return True if the notification passes.

        An edge that closes is judged by its best expected value, so that a subscriber notified of
        its opening is notified of its closing.
        """
        return (
            self.wants_type(type_of(event))
            and (not self.sports or _sport(event) in {None, *self.sports})
            and (self.min_ev is None or _best_ev(event) >= self.min_ev)
        )


@dataclass(frozen=True, slots=True)
class Route:
    """A subscriber as publishing needs it: its key and its filter.

    Attributes:
        subscriber: its key, e.g. ``webhook:desk``.
        filter: the notifications it wants.
    """

    subscriber: str
    filter: Filter


def batches(
    events: Sequence[Event], routes: Sequence[Route], max_events: int
) -> Iterator[tuple[str, Sequence[Event]]]:
    """Yield each message to send: its subscriber, and its notifications in their order.

    Args:
        events: what happened, oldest first.
        routes: the subscribers.
        max_events: the most notifications in one message, at least 1.
    """
    for route in routes:
        wanted = [event for event in events if route.filter.wants(event)]
        for start in range(0, len(wanted), max_events):
            yield route.subscriber, wanted[start : start + max_events]


def _sport(event: Event) -> str | None:
    return event.sport if isinstance(event, LineMajor | EdgeOpened | EdgeClosed) else None


def _best_ev(event: Event) -> float:
    """Return an edge's best expected value so far; infinity for other notifications."""
    match event:
        case EdgeOpened():
            return event.ev
        case EdgeClosed():
            return event.peak_ev
        case _:
            return math.inf
