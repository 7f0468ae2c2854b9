"""Who gets which event, and in which messages."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streaming.core.events import EdgeClosed, EdgeOpened, Event, LineMajor, type_of


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events a subscriber wants.

    Attributes:
        types: types of events; empty for all.
        sports: keys of sports; empty for all. Events that are about no sport pass.
        min_ev: the least expected value of an edge; None for all. Other events pass.
    """

    types: frozenset[str] = frozenset()
    sports: frozenset[str] = frozenset()
    min_ev: float | None = None

    def wants_type(self, *types: str) -> bool:
        """Whether any event of these types may pass."""
        return not self.types or not self.types.isdisjoint(types)

    def wants(self, event: Event) -> bool:
        """Whether the event passes.

        An edge that closes is judged by the best it was, so that whoever was told of its opening
        is told of its closing.
        """
        return (
            self.wants_type(type_of(event))
            and (not self.sports or _sport(event) in {None, *self.sports})
            and (self.min_ev is None or _best_ev(event) >= self.min_ev)
        )


@dataclass(frozen=True, slots=True)
class Route:
    """A subscriber, as far as publishing knows it.

    Attributes:
        subscriber: its key, e.g. ``webhook:desk``.
        filter: which events it wants.
    """

    subscriber: str
    filter: Filter


def batches(
    events: Sequence[Event], routes: Sequence[Route], max_events: int
) -> Iterator[tuple[str, Sequence[Event]]]:
    """Each message to send: whom it is for, and the events in it, in their order.

    Args:
        events: what happened, oldest first.
        routes: the subscribers.
        max_events: events in one message, at least 1.
    """
    for route in routes:
        wanted = [event for event in events if route.filter.wants(event)]
        for start in range(0, len(wanted), max_events):
            yield route.subscriber, wanted[start : start + max_events]


def _sport(event: Event) -> str | None:
    return event.sport if isinstance(event, LineMajor | EdgeOpened | EdgeClosed) else None


def _best_ev(event: Event) -> float:
    """The best an edge has been so far; without limit for what is no edge."""
    match event:
        case EdgeOpened():
            return event.ev
        case EdgeClosed():
            return event.peak_ev
        case _:
            return math.inf
