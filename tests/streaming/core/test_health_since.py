"""Since when a check has its status: what was seen, what was recorded, and what nobody knows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from streaming.core.health import Check, Status
from streaming.core.health_since import (
    Record,
    Recorded,
    has_changed,
    since_crossing,
    with_since,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EARLIER = NOON - timedelta(hours=1)
TEN_SECONDS = timedelta(seconds=10)


def one(status: Status, name: str = "beat", since: datetime | None = None) -> Check:
    return Check(name, status, 1.0, (1.0, 2.0), "s", "it is so", since)


def recorded(
    status: Status, *, age: timedelta = TEN_SECONDS, may_be_earlier: bool = False
) -> Record:
    return Record(NOON - age, {"beat": Recorded(status, EARLIER, may_be_earlier)})


def dated(check: Check, record: Record | None, *, is_recorded: bool) -> Check:
    (found,) = with_since([check], record, NOON, trusted_seconds=30.0, is_recorded=is_recorded)
    return found


@pytest.mark.parametrize("is_recorded", [True, False])
def test_a_check_keeps_since_when_it_has_been_as_it_is(is_recorded: bool) -> None:
    same = dated(one(Status.WARN), recorded(Status.WARN), is_recorded=is_recorded)
    other = dated(one(Status.FAIL), recorded(Status.WARN), is_recorded=is_recorded)

    assert (same.since, same.may_be_earlier) == (EARLIER, False)
    assert (other.since, other.may_be_earlier) == (NOON, False)


def test_what_began_before_the_first_snapshot_is_said_to_may_have() -> None:
    first = dated(one(Status.FAIL), None, is_recorded=True)
    assert (first.since, first.may_be_earlier) == (NOON, True)

    next_one = dated(one(Status.FAIL), recorded(Status.FAIL, may_be_earlier=True), is_recorded=True)
    assert (next_one.since, next_one.may_be_earlier) == (EARLIER, True)


@pytest.mark.parametrize("status", [Status.WARN, Status.FAIL])
def test_a_snapshot_that_is_old_dates_nothing_that_is_asked_now(status: Status) -> None:
    old = recorded(Status.FAIL, age=timedelta(minutes=14))

    assert dated(one(status), old, is_recorded=False).since is None
    assert dated(one(status), None, is_recorded=False).since is None
    after_gap = dated(one(status), old, is_recorded=True)
    assert (after_gap.since, after_gap.may_be_earlier) == (NOON, True)


def test_what_was_seen_dates_a_check_without_any_snapshot() -> None:
    begun = NOON - timedelta(minutes=14)
    found = dated(one(Status.FAIL, since=begun), None, is_recorded=False)

    assert (found.since, found.may_be_earlier) == (begun, False)


def test_the_earlier_of_what_was_seen_and_recorded_counts_as_long_as_the_status_lasts() -> None:
    later = dated(
        one(Status.FAIL, since=NOON - TEN_SECONDS), recorded(Status.FAIL), is_recorded=True
    )
    earlier = dated(
        one(Status.FAIL, since=EARLIER - TEN_SECONDS), recorded(Status.FAIL), is_recorded=True
    )
    changed = dated(
        one(Status.FAIL, since=NOON - TEN_SECONDS), recorded(Status.WARN), is_recorded=True
    )

    assert later.since == EARLIER
    assert earlier.since == EARLIER - TEN_SECONDS
    assert changed.since == NOON - TEN_SECONDS


def test_a_duration_crossed_its_limit_as_long_ago_as_it_is_above_it() -> None:
    limits = (5.0, 30.0)

    assert since_crossing(NOON, 70.0, limits, Status.FAIL) == NOON - timedelta(seconds=40)
    assert since_crossing(NOON, 15.0, limits, Status.WARN) == NOON - TEN_SECONDS
    assert since_crossing(NOON, 1.0, limits, Status.PASS) is None


def test_a_change_is_another_status_or_something_new_that_is_not_well() -> None:
    known = recorded(Status.WARN)

    assert not has_changed([one(Status.WARN)], known)
    assert has_changed([one(Status.PASS)], known)
    assert not has_changed([one(Status.WARN), one(Status.PASS, "disk")], known)
    assert has_changed([one(Status.WARN), one(Status.FAIL, "disk")], known)
    assert has_changed([one(Status.WARN)], None)
    assert not has_changed([one(Status.PASS)], None)
