"""The exceptions that are raised while PostgreSQL, Redis or the broker is away."""

from __future__ import annotations

import django.db
from kombu.exceptions import OperationalError
from psycopg.errors import DeadlockDetected, LockNotAvailable
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

BROKER_OUTAGES = (OperationalError, RedisError)
"""The exceptions while the broker or Redis is away."""

OUTAGES = (django.db.OperationalError, django.db.InterfaceError, *BROKER_OUTAGES)
"""The exceptions while any of the servers is away."""

_AWAY_STATES = ("08", "57P01", "57P02", "57P03", "57P05")
"""How the SQLSTATEs begin of connections that failed, of a server that stops or starts, and of a
session that `session_lock` has lost because its process stood still."""


def is_away(error: BaseException) -> bool:
    """Return True if one of `OUTAGES` was raised because a server was away.

    False if the server answered: that a lock was not free in time, or that its memory is full.

    >>> is_away(django.db.OperationalError("connection refused"))
    True
    >>> is_away(RedisError("OOM command not allowed"))
    False
    """
    if isinstance(error, OperationalError) and isinstance(error.__cause__, RedisError):
        error = error.__cause__  # kombu gives whatever Redis says the one name
    if isinstance(error, RedisError):
        return isinstance(error, RedisConnectionError | RedisTimeoutError)
    state = getattr(error.__cause__, "sqlstate", None)
    return state is None or state.startswith(_AWAY_STATES)


def is_locked(error: django.db.Error) -> bool:
    """Return True if a lock was not free in time, or the wait for it was a deadlock.

    >>> is_locked(django.db.OperationalError("connection refused"))
    False
    """
    return isinstance(error.__cause__, LockNotAvailable | DeadlockDetected)
