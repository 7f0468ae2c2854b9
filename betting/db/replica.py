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

_STANDBY = "SELECT pg_is_in_recovery(), pg_last_xact_replay_timestamp(), clock_timestamp()"


@dataclass(frozen=True, slots=True)
class Look:
    """A look at the replica.

    Attributes:
        is_standby: whether it is one; another server may be read as well, and is never behind.
        replayed_at: when the last transaction that it has was committed, by the primary's clock.
        now: by its own clock.
        asked_at, answered_at: the primary's time before and after the look.
    """

    is_standby: bool
    replayed_at: datetime | None
    now: datetime
    asked_at: datetime
    answered_at: datetime


def why_not(look: Look) -> str:
    """Return why a replica is not read; an empty text if it is.

    While the primary commits nothing, nobody can say how far behind a replica is. It counts as
    behind then: there is little to read elsewhere.

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
    off = max(
        (look.asked_at - look.now).total_seconds(), (look.now - look.answered_at).total_seconds()
    )
    if off > CLOCK_SECONDS:
        return f"its clock is {off:.1f} s off"
    if not look.is_standby:
        return ""
    if look.replayed_at is None:
        return "it has replayed nothing yet"
    behind = (look.answered_at - look.replayed_at).total_seconds()
    return f"it is {behind:.1f} s behind" if behind > LAG_SECONDS else ""


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
        asked_at = database_now()
        try:
            with connections[REPLICA].cursor() as cursor:
                cursor.execute(_STANDBY)
                is_standby, replayed_at, now = cursor.fetchone()
        except django.db.Error:
            # Its text may hold the address; the log of the driver's cause would, too.
            connections[REPLICA].close()
            self._note("it is away", AWAY_SECONDS)
            return
        look = Look(is_standby, replayed_at, now, asked_at, database_now())
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
