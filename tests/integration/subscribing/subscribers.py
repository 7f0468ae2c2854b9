"""A handler that is well and one that never is."""

from __future__ import annotations

from collections.abc import Sequence

from streaming.core.notifications import Notification
from streaming.notifications.handlers import subscriber


@subscriber("line.major")
def well(notifications: Sequence[Notification]) -> None:
    """Takes anything."""


@subscriber("line.major")
def broken(_events: Sequence[Notification]) -> None:
    """Takes nothing."""
    raise ConnectionError("the desk has moved")
