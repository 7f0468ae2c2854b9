"""Who writes what when: one writer at a time for all that belongs to a family of sports."""

from __future__ import annotations

import zlib

from betting.db.advisory_locks import FAMILIES
from betting.db.sql import fetch_all

_SHARED = 0


def lock_family(family: str) -> None:
    """Wait for, then hold until the transaction ends, the right to write what belongs to a family.

    Answers about one family are ingested one after the other: two feeds that share an event, be
    it under two of its sports, can neither deadlock nor diff against a state that the other is
    about to change. The wait is bounded by the connection's `lock_timeout`. Who takes several
    takes them in the order of `lock_number`.

    Args:
        family: see `streaming.core.participants.sport_family`.
    """
    _lock(lock_number(family))


def lock_shared() -> None:
    """The same for what belongs to no sport: sports themselves, bookmakers."""
    _lock(_SHARED)


def lock_number(family: str) -> int:
    """The family's number among our advisory locks, a signed 32-bit integer.

    Two families may have one number: they then wait for each other, and nothing else.

    >>> lock_number("baseball"), lock_number("soccer")
    (1396649963, -493511626)
    """
    return (zlib.crc32(family.encode()) ^ 0x8000_0000) - 0x8000_0000


def _lock(number: int) -> None:
    fetch_all(
        "SELECT pg_advisory_xact_lock(%(class)s, %(number)s)", {"class": FAMILIES, "number": number}
    )
