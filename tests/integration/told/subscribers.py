"""A handler that is well and one that never is."""

from __future__ import annotations

from collections.abc import Sequence

from streaming.core.events import Event
from streaming.notifications.handlers import subscriber


@subscriber("line.major")
def well(events: Sequence[Event]) -> None:
    """Takes anything."""


@subscriber("line.major")
def broken(_events: Sequence[Event]) -> None:
    """Takes nothing."""
    raise ConnectionError("the desk has moved")
