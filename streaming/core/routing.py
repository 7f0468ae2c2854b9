"""Routing of notifications to subscribers, and their batches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streaming.core.notifications import EdgeClosed, EdgeOpened, LineMajor, Notification, type_of


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

    def wants(self, notification: Notification) -> bool:
        """Return True if the notification passes.

        An edge that closes is judged by its best expected value, so that a subscriber notified of
        its opening is notified of its closing.
        """
        return (
            self.wants_type(type_of(notification))
            and (not self.sports or _sport(notification) in {None, *self.sports})
            and (self.min_ev is None or _best_ev(notification) >= self.min_ev)
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
    notifications: Sequence[Notification], routes: Sequence[Route], max_events: int
) -> Iterator[tuple[str, Sequence[Notification]]]:
    """Yield each message to send: its subscriber, and its notifications in their order.

    Args:
        notifications: what happened, oldest first.
        routes: the subscribers.
        max_events: the most notifications in one message, at least 1.
    """
    for route in routes:
        wanted = [
            notification for notification in notifications if route.filter.wants(notification)
        ]
        for start in range(0, len(wanted), max_events):
            yield route.subscriber, wanted[start : start + max_events]


def _sport(notification: Notification) -> str | None:
    return (
        notification.sport
        if isinstance(notification, LineMajor | EdgeOpened | EdgeClosed)
        else None
    )


def _best_ev(notification: Notification) -> float:
    """Return an edge's best expected value so far; infinity for other notifications."""
    match notification:
        case EdgeOpened():
            return notification.ev
        case EdgeClosed():
            return notification.peak_ev
        case _:
            return math.inf
