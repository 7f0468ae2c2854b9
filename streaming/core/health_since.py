"""The beginning of each check's status: from what was seen, else from the previous snapshot.

Snapshots give it only while they are taken: what happened in a gap between two is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from streaming.core.health import Check, Status


@dataclass(frozen=True, slots=True)
class Recorded:
    """A check as a snapshot recorded it.

    Attributes:
        status: its status then.
        since: when that began.
        may_be_earlier: True where it may have begun before `since`.
    """

    status: Status
    since: datetime
    may_be_earlier: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """The part of the newest snapshot that dates the checks.

    Attributes:
        taken_at: when it was taken.
        checks: check → as it was.
    """

    taken_at: datetime
    checks: Mapping[str, Recorded]


def since_crossing(
    now: datetime, seconds: float, limits: tuple[float, float], status: Status
) -> datetime | None:
    """Return when a duration that grows with the time crossed the limit of its status.

    Args:
        now: when it was seen.
        seconds: how long it was then.
        limits: from where on it is a warning and a failure, seconds.
        status: its status.

    Returns:
        None where it has crossed none of them.

    >>> noon = datetime(2026, 1, 1, 12)
    >>> since_crossing(noon, 75.0, (5.0, 30.0), Status.FAIL)
    datetime.datetime(2026, 1, 1, 11, 59, 15)
    """
    limit = {Status.WARN: limits[0], Status.FAIL: limits[1]}.get(status)
    return None if limit is None else now - timedelta(seconds=seconds - limit)


def with_since(
    checks: Iterable[Check],
    record: Record | None,
    now: datetime,
    *,
    trusted_seconds: float,
    is_recorded: bool,
) -> list[Check]:
    """Return the checks with the beginning of each one's status.

    Args:
        checks: as they are now; one that can be dated by what was seen has its `since` already.
        record: the newest snapshot, if there is one.
        now: the time.
        trusted_seconds: a snapshot older than this says nothing about the time after it.
        is_recorded: True where these checks are stored as a snapshot, which dates later ones.
    """
    is_fresh = record is not None and (now - record.taken_at).total_seconds() <= trusted_seconds
    before = record.checks if record is not None and is_fresh else None
    return [_dated(each, before, now, is_recorded=is_recorded) for each in checks]


def has_changed(checks: Iterable[Check], record: Record | None) -> bool:
    """Return True if a check has another status than it had, or is new and not well."""
    before = {} if record is None else record.checks
    well = Recorded(Status.PASS, datetime.min)  # noqa: DTZ901 - a placeholder, never compared
    return any(each.status is not before.get(each.name, well).status for each in checks)


def _dated(
    check: Check, before: Mapping[str, Recorded] | None, now: datetime, *, is_recorded: bool
) -> Check:
    known = None if before is None else before.get(check.name)
    if known is not None and known.status is check.status:
        if check.since is not None and check.since <= known.since:
            return check
        return replace(check, since=known.since, may_be_earlier=known.may_be_earlier)
    if check.since is not None:
        return check
    if known is not None:  # it has changed since that snapshot, a few seconds ago
        return replace(check, since=now)
    return replace(check, since=now, may_be_earlier=True) if is_recorded else check
