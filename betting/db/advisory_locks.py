"""The numbers of our advisory locks: no two uses may share one. Locks that a session holds."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import Error, connections

from betting.db.sessions import sessions_alias

FAMILIES = 0x48415244
"""The class of the locks on a family of sports' rows; it spells HARD."""

MIGRATIONS = 0x48415244_4D494752
"""Held while migrations run; it spells HARDMIGR."""

REPLAYS = 0x5245_504C
"""Held while replays of dead letters are sent; it spells REPL."""

LIVE_SETTINGS = 0x4C49_5645
"""Held while a live setting is changed; it spells LIVE."""

LETTERS = 0x4C45_5454
"""Held while a dead letter is stored; it spells LETT."""

POLLS = 0x504F_4C4C
"""The class of the locks on providers that are being polled; it spells POLL."""

SPOOL = 0x5350_4F4C
"""Held while spooled letters are stored; it spells SPOL."""

PARTITIONS = 0x5041_5254
"""Held while a partition is made or dropped; it spells PART."""

DELIVERIES = 0x4445_4C49
"""The class of the locks on deliveries that are being made; it spells DELI."""


def signed_32_bits(name: str) -> int:
    """Return a number for a lock of a class; two names seldom share one.

    >>> signed_32_bits("c0ffee")
    -372870743
    """
    return int.from_bytes(zlib.crc32(name.encode()).to_bytes(4), signed=True)


@contextmanager
def session_lock(name: int, number: int, idle_seconds: float) -> Iterator[bool]:
    """Hold a lock of this thread's database session; yield False at once if another session has it.

    PostgreSQL releases it with the session: when the holder's process dies, when its connection is
    lost, and when it makes no statement for `idle_seconds`, as a process that is stopped does: a
    holder that works longer calls `keep_session`. The lock's owner is the session, so that no
    failed call can leave a lock that nobody holds.

    Args:
        name: the lock's class, one of those above.
        number: which of the class; a signed 32-bit integer.
        idle_seconds: the longest that the holder may go without a statement.
    """
    is_held = _try(name, number, idle_seconds)
    try:
        yield is_held
    finally:
        if is_held:
            _release(name, number)


def _try(name: int, number: int, idle_seconds: float) -> bool:
    connection = connections[sessions_alias()]
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT CASE WHEN pg_try_advisory_lock(%s, %s)"
                " THEN set_config('idle_session_timeout', %s, false) END",
                [name, number, f"{idle_seconds * 1000:.0f}"],
            )
            return bool(cursor.fetchone() != (None,))
    except Error:
        connection.close()  # a statement that was cancelled after it took the lock leaves it held
        raise


def _release(name: int, number: int) -> None:
    connection = connections[sessions_alias()]
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_unlock(%s, %s); RESET idle_session_timeout", [name, number]
            )
    except Error:
        connection.close()  # whatever is wrong with the session, its lock ends with it
