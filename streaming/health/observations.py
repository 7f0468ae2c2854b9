"""The observations of one moment, before they are judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import django.db

from betting.db import replica
from betting.db.outages import BROKER_OUTAGES
from betting.db.replica import Look, ReplicaAwayError
from streaming.health.counters import Counters
from streaming.health.deadline import DeadlineError, within
from streaming.health.servers import RedisFacts
from streaming.health.stream import (
    LONG,
    SHORT,
    Earlier,
    StreamFacts,
    counters_within,
    look_at_stream,
)

T = TypeVar("T")

#: Errors raised while a server is away or hangs, or has no tables.
OUTAGES = (django.db.Error, *BROKER_OUTAGES, DeadlineError, ReplicaAwayError)


_SAY_IT = (DeadlineError, ReplicaAwayError)
"""Errors of our own, whose texts hold no address."""


@dataclass(frozen=True, slots=True)
class Away:
    """A server that did not answer.

    Attributes:
        reason: the kind of error; its text may hold addresses, and is not shown.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Work:
    """The work done lately.

    Attributes:
        total: since the first snapshot.
        short: in the past 5 minutes.
        long: in the past hour.
    """

    total: Counters
    short: Counters
    long: Counters


@dataclass(frozen=True, slots=True)
class Observations:
    """The observations of one moment.

    Attributes:
        stream: those of the database.
        redis: those of Redis.
        work: the work done lately; None before the first snapshot, or without the database.
        workers: queue → workers that take from it; None where that is not known.
        workers_seconds: since they were asked; None where nobody ever has.
        disk_used: a part of the disk; None where it is not ours.
        replica: the look at the read replica; None where this process knows none.
        running_seconds: since the process that looks was started.
    """

    stream: StreamFacts | Away
    redis: RedisFacts | Away
    work: Work | None
    workers: Mapping[str, int] | None
    workers_seconds: float | None
    disk_used: float | None
    replica: Look | Away | None
    running_seconds: float


def attempt(look: Callable[[], T]) -> T | Away:
    """Return the result of a look, or `Away` where the server did not answer."""
    try:
        return look()
    except OUTAGES as error:
        words = str(error) if isinstance(error, _SAY_IT) else type(error).__name__
        return Away(words)


def look_at_replica(seconds: float) -> Look | Away | None:
    """Look at the read replica for no longer than this; None if none is configured."""
    if not replica.is_configured():
        return None
    return attempt(lambda: within(seconds, replica.take_look, is_of_replica=True))


def look_at_work(counted: Earlier) -> Work:
    """Return the work of the windows that end with some totals, by the snapshots before them."""
    counters, until = counted.counters, counted.counted_until
    return Work(
        counters, counters_within(counters, until, SHORT), counters_within(counters, until, LONG)
    )


def look() -> tuple[StreamFacts, Work | None]:
    """Query the database for all observations.

    Raises:
        django.db.Error: it does not answer.
    """
    stream = look_at_stream()
    earlier = stream.earlier
    return stream, None if earlier is None else look_at_work(earlier)
