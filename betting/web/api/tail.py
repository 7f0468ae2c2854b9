"""The newest notifications, read once for all streams of a process.

A stream begins with reads of its own, from where its client was. From then on it follows the tail:
the database is asked as often for many clients as for one.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from rest_framework.utils.encoders import JSONEncoder

from betting.web.api.stream import (
    PAGE,
    PRICE_CHANGED,
    Follower,
    StreamNotification,
    database_time,
    with_rows,
)

KEPT = 10 * PAGE
"""The notifications that are kept for streams that have not sent them yet."""


class TooFarBehindError(Exception):
    """The error of a stream whose next notifications are no longer kept."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A notification as it is sent.

    Attributes:
        one: the notification.
        sport: of its row, as `event_id`.
        text: its data, written once for all clients.
    """

    one: StreamNotification
    sport: str
    event_id: int
    text: str


@dataclass(frozen=True, slots=True)
class Look:
    """The result of a look.

    Attributes:
        found: the entries that are new.
        settled: as `Follower` says of those found up to here.
        has_more: whether there is more already.
        position: the tail's end; 0 of a look that is not the tail's.
    """

    found: list[Entry]
    settled: datetime | None
    has_more: bool
    position: int = 0


def entries(notifications: Iterable[StreamNotification]) -> list[Entry]:
    """Return notifications with their rows as they are now."""
    return [_entry(one, row) for one, row in with_rows(notifications)]


def _entry(one: StreamNotification, row: dict[str, Any]) -> Entry:
    data = {"id": one.key, "at": one.at, "row": row}
    text = json.dumps(data, cls=JSONEncoder, separators=(",", ":"))
    return Entry(one, row["event"]["sport"], row["event"]["id"], text)


class Tail:
    """The newest notifications; while nobody follows it, nothing is read.

    Args:
        overlap: how much later than its time a row may become visible.
        poll_seconds: the least time between two looks.
        clock: returns the time in seconds.
    """

    def __init__(
        self,
        overlap: timedelta,
        poll_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._overlap = overlap
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._followers = 0
        self._events: Counter[int] = Counter()
        self._kept: deque[Entry] = deque(maxlen=KEPT)
        self._end = 0
        self._follower: Follower | None = None
        self._next_look = 0.0

    def join(self, events: Collection[int]) -> int:
        """Begin to follow, with the changes of some events' prices; return the tail's end.

        What has happened so far is not added for who joins, who reads it by itself from its start.
        """
        with self._lock:
            new = frozenset(events) - self._events.keys()
            if self._follower is None:
                follower = Follower(database_time() - self._overlap, self._overlap, events)
                while len(follower.look()) == PAGE:
                    pass
                self._follower = follower
                self._next_look = self._clock() + self._poll_seconds
            elif new:
                self._look(new)
            self._followers += 1
            self._events.update(events)
            return self._end

    def leave(self, events: Collection[int]) -> None:
        """End what `join` began."""
        with self._lock:
            self._followers -= 1
            self._events.subtract(events)
            self._events += Counter()  # drops those that nobody follows
            if not self._followers:
                self._follower = None
                self._kept.clear()

    def after(self, position: int) -> Look:
        """Return what was added since a position.

        It looks itself if it is time to.

        Raises:
            TooFarBehindError: some of it is no longer kept.
        """
        with self._lock:
            # Before a look as well: after one that failed, each stream would wait for its own.
            self._require_kept(position)
            if self._clock() >= self._next_look:
                self._look()
            new = self._require_kept(position)
            found = list(islice(self._kept, len(self._kept) - new, None))
            assert self._follower is not None, "only who has joined may look"
            return Look(found, self._follower.settled, self._clock() >= self._next_look, self._end)

    def _require_kept(self, position: int) -> int:
        """Return how many were added since a position; raise if they are no longer kept."""
        new = self._end - position
        if new > len(self._kept):
            raise TooFarBehindError
        return new

    def _look(self, new_events: frozenset[int] = frozenset()) -> None:
        """Add what has happened since the last look.

        Args:
            new_events: those whose changes of prices nobody follows yet, and which are not added.
        """
        assert self._follower is not None, "only who has joined may look"
        self._follower.events = {*self._events, *new_events}
        try:
            fresh = self._follower.look()
            found = entries(fresh)
        except Exception:
            # It may be that some are marked as read that are not kept: all streams begin anew.
            self._kept.clear()
            self._end += 1
            raise
        known = [
            entry
            for entry in found
            if entry.one.kind != PRICE_CHANGED or entry.event_id not in new_events
        ]
        self._kept.extend(known)
        self._end += len(known)
        # After a full page there is more.
        self._next_look = self._clock() + (self._poll_seconds if len(fresh) < PAGE else 0.0)
