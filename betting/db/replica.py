"""Reads from a replica: a standby of PostgreSQL, as long as it is close behind.

With DATABASE_REPLICA_URL, the pages and lists of the web server that show prices are read there.
A replica that lags, whose clock is off, or that is away is not read: then the same request is
answered by the primary. See docs/adr/0045-reads-from-a-replica.md.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import django.db
from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import DEFAULT_DB_ALIAS, connections
from django.http import Http404

from betting.db.clock import database_now
from betting.db.databases import REPLICA
from betting.db.outages import is_away
from betting.db.sql import fetch_all

logger = logging.getLogger(__name__)

LAG_SECONDS = 5.0
"""It is read while it is no further behind than this: a price stands for longer."""

LOOK_SECONDS = 1.0
"""A process asks the replica no more often than this how far behind it is."""

AWAY_SECONDS = 15.0
"""One that is away is asked again after this: a request waits while it does not answer."""

CLOCK_SECONDS = 1.0
"""The most that its clock may be off: prices go off the board by the time of who is asked."""

T = TypeVar("T")

_PRIMARY = """
SELECT clock_timestamp(),
       CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_flush_lsn()::text END
"""

_STANDBY = """
SELECT pg_is_in_recovery(), pg_last_xact_replay_timestamp(), clock_timestamp(),
       COALESCE(pg_last_wal_replay_lsn() >= %s::pg_lsn, false)
"""


@dataclass(frozen=True, slots=True)
class Look:
    """A look at the replica.

    Attributes:
        is_standby: whether it is one; another server may be read as well, and is never behind.
        replayed_at: when the last transaction that it has was committed, by the primary's clock.
        now: by its own clock.
        asked_at, answered_at: the primary's time before and after the look.
        has_all: whether it has replayed all that the primary had written at `asked_at`.
    """

    is_standby: bool
    replayed_at: datetime | None
    now: datetime
    asked_at: datetime
    answered_at: datetime
    has_all: bool = False

    @property
    def seconds_behind(self) -> float | None:
        """The seconds that it is behind; None for a standby that has replayed nothing.

        >>> from datetime import UTC, timedelta
        >>> noon = datetime(2026, 11, 29, 12, tzinfo=UTC)
        >>> minute_ago = noon - timedelta(minutes=1)
        >>> Look(True, minute_ago, noon, noon, noon).seconds_behind
        60.0
        >>> Look(True, minute_ago, noon, noon, noon, has_all=True).seconds_behind
        0.0
        """
        if not self.is_standby or self.has_all:
            return 0.0
        if self.replayed_at is None:
            return None
        return max(0.0, (self.answered_at - self.replayed_at).total_seconds())

    @property
    def clock_off_seconds(self) -> float:
        """The seconds that its clock is off at least; 0 if it is between the primary's two."""
        before = (self.asked_at - self.now).total_seconds()
        return max(0.0, before, (self.now - self.answered_at).total_seconds())


def why_not(look: Look) -> str:
    """Return why a replica is not read; an empty text if it is.

    One that has replayed all there was is not behind, however long ago the last commit was.

    >>> from datetime import UTC, timedelta
    >>> noon = datetime(2026, 11, 29, 12, tzinfo=UTC)
    >>> second = timedelta(seconds=1)
    >>> why_not(Look(True, noon - 2 * second, noon, noon, noon))
    ''
    >>> why_not(Look(True, noon - 6 * second, noon, noon, noon))
    'it is 6.0 s behind'
    >>> why_not(Look(True, noon, noon - 3 * second, noon, noon))
    'its clock is 3.0 s off'
    """
    if look.clock_off_seconds > CLOCK_SECONDS:
        return f"its clock is {look.clock_off_seconds:.1f} s off"
    behind = look.seconds_behind
    if behind is None:
        return "it has replayed nothing yet"
    return f"it is {behind:.1f} s behind" if behind > LAG_SECONDS else ""


class ReplicaAwayError(Exception):
    """The replica does not answer. It says the kind of error: its text may hold the address."""


def take_look() -> Look:
    """Look at the replica, between two questions to the primary.

    Raises:
        ReplicaAwayError: the replica does not answer.
        django.db.Error: the primary does not answer.
    """
    ((asked_at, written),) = fetch_all(_PRIMARY, {})
    try:
        with connections[REPLICA].cursor() as cursor:
            cursor.execute(_STANDBY, [written])
            is_standby, replayed_at, now, has_all = cursor.fetchone()
    except django.db.Error as error:
        connections[REPLICA].close()
        raise ReplicaAwayError(type(error).__name__) from error
    return Look(is_standby, replayed_at, now, asked_at, database_now(), has_all=has_all)


class Replica:
    """This process's knowledge of whether the replica can be read.

    Args:
        clock: returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._next_look = float("-inf")
        self._why_not: str | None = None
        self._valid_until = float("-inf")

    def is_usable(self) -> bool:
        """Return True if it is close behind; one thread looks while the others take the last look.

        Raises:
            django.db.Error: the primary does not answer.
        """
        if self._clock() >= self._next_look and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._lock.release()
        # While a thread waits for the replica's answer, the last verdict soon vouches for nothing.
        return self._why_not == "" and self._clock() < self._valid_until

    def failed(self, error: django.db.Error) -> None:
        """Note that a read has failed; if the replica is away it is left alone for a while."""
        if is_away(error):
            self._note("it is away", AWAY_SECONDS)

    def _look(self) -> None:
        try:
            look = take_look()
        except ReplicaAwayError:
            self._note("it is away", AWAY_SECONDS)
            return
        self._note(why_not(look), LOOK_SECONDS)

    def _note(self, reason: str, wait_seconds: float) -> None:
        """Keep what was found, and log it when it is news; a figure that moves is none."""
        was, self._why_not = self._why_not, reason
        now = self._clock()
        self._next_look, self._valid_until = now + wait_seconds, now + 2 * LOOK_SECONDS
        if reason and not was:
            logger.warning("the replica is not read, the primary answers: %s", reason)
        elif not reason and was:
            logger.info("the replica is read again")


_replica = Replica()


def is_configured() -> bool:
    """Return True if there is a replica to read from."""
    return REPLICA in settings.DATABASES


def read_from_replica(read: Callable[[], T]) -> T:
    """Return what a function reads: from the replica if it can be read, else from the primary.

    The function is called again for the primary if the replica fails or lacks a row, so it must be
    one that may be repeated. In it, `default` is the replica, which refuses to write.
    """
    if not is_configured() or not _replica.is_usable():
        return read()
    with suppress(django.db.Error, Http404, ObjectDoesNotExist), _as_default():
        try:
            return read()
        except django.db.Error as error:
            _replica.failed(error)
            raise
    return read()


@contextmanager
def _as_default() -> Iterator[None]:
    """Have this thread's `default` be the replica while the block runs."""
    primary = connections[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS] = connections[REPLICA]
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS] = primary
