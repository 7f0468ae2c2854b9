"""Locks that let one transaction at a time write what belongs to a family of sports."""

from __future__ import annotations

import zlib

from betting.db.advisory_locks import FAMILIES
from betting.db.sql import fetch_all

_SHARED = 0


def lock_family(family: str) -> None:
    """Lock a family of sports until the transaction ends.

    Answers about one family are ingested one after the other: two feeds that share an event, even
    under two of its sports, can neither deadlock nor diff against a state that the other is about
    to change. The wait is bounded by the connection's `lock_timeout`. A transaction that takes
    several locks takes them in the order of `lock_number`.

    Args:
        family: see `streaming.core.participants.sport_family`.
    """
    _lock(lock_number(family))


def try_lock_family(family: str) -> bool:
    """Lock a family as `lock_family` does, but without a wait; return False if it is locked."""
    parameters = {"class": FAMILIES, "number": lock_number(family)}
    ((is_ours,),) = fetch_all("SELECT pg_try_advisory_xact_lock(%(class)s, %(number)s)", parameters)
    return bool(is_ours)


def lock_shared() -> None:
    """Lock what belongs to no sport, sports themselves and bookmakers, in the same way."""
    _lock(_SHARED)


def lock_number(family: str) -> int:
    """Return the family's number among our advisory locks, a signed 32-bit integer.

    Two families may have one number: they then wait for each other, and nothing else.

    >>> lock_number("baseball"), lock_number("soccer")
    (1396649963, -493511626)
    """
    return (zlib.crc32(family.encode()) ^ 0x8000_0000) - 0x8000_0000


def _lock(number: int) -> None:
    fetch_all(
        "SELECT pg_advisory_xact_lock(%(class)s, %(number)s)", {"class": FAMILIES, "number": number}
    )
