from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import django.db
import pytest
from django.http import Http404
from hypothesis import given
from hypothesis import strategies as st

from betting.db import replica
from betting.db.replica import CLOCK_SECONDS, LAG_SECONDS, Look, read_from_replica, why_not

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
SECONDS = st.floats(min_value=-60.0, max_value=60.0).map(lambda s: round(s, 3))


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@given(SECONDS, SECONDS)
def test_a_standby_is_read_exactly_while_its_lag_and_its_clock_are_within_limits(
    replayed: float, now: float
) -> None:
    look = Look(True, at(replayed), at(now), NOON, NOON)
    is_close = abs(now) <= CLOCK_SECONDS and -replayed <= LAG_SECONDS
    assert (why_not(look) == "") == is_close


@given(SECONDS)
def test_a_clock_is_right_if_it_is_between_what_the_primary_said_before_and_after(
    took: float,
) -> None:
    look = Look(True, NOON, at(abs(took) / 2), NOON, at(abs(took)))
    assert "clock" not in why_not(look)


def test_a_standby_that_has_replayed_nothing_is_not_read() -> None:
    assert why_not(Look(True, None, NOON, NOON, NOON)) == "it has replayed nothing yet"


@given(SECONDS)
def test_a_standby_that_has_all_there_is_is_not_behind_however_old_that_is(replayed: float) -> None:
    look = Look(True, at(replayed), NOON, NOON, NOON, has_all=True)
    assert look.seconds_behind == 0
    assert why_not(look) == ""


def test_a_standby_that_has_replayed_nothing_is_behind_nobody_knows_how_far() -> None:
    assert Look(True, None, NOON, NOON, NOON).seconds_behind is None


def test_a_server_that_is_no_standby_is_never_behind() -> None:
    assert why_not(Look(False, None, NOON, NOON, NOON)) == ""


class Known:
    """A replica that can be read."""

    def __init__(self) -> None:
        self.errors: list[django.db.Error] = []

    def is_usable(self) -> bool:
        return True

    def failed(self, error: django.db.Error) -> None:
        self.errors.append(error)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Known:
    known = Known()
    monkeypatch.setattr(replica, "is_configured", lambda: True)
    monkeypatch.setattr(replica, "_replica", known)
    monkeypatch.setattr(replica, "_as_default", nullcontext)
    return known


def test_what_fails_on_the_replica_is_read_once_more(known: Known) -> None:
    error = django.db.OperationalError("terminating connection")
    answers: Iterator[Exception | str] = iter([error, "a page"])

    def read() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert read_from_replica(read) == "a page"
    assert known.errors == [error]


@pytest.mark.usefixtures("known")
def test_what_fails_everywhere_is_an_error() -> None:
    calls = []

    def read() -> None:
        calls.append(1)
        raise django.db.ProgrammingError

    with pytest.raises(django.db.ProgrammingError):
        read_from_replica(read)
    assert len(calls) == 2


def test_an_error_of_the_page_itself_is_not_read_again(known: Known) -> None:
    calls = []

    def read() -> None:
        calls.append(1)
        raise LookupError

    with pytest.raises(LookupError):
        read_from_replica(read)
    assert (len(calls), known.errors) == (1, [])


def test_a_row_that_the_replica_lacks_is_looked_for_at_the_primary(known: Known) -> None:
    answers: Iterator[Exception | str] = iter([Http404(), "a page"])

    def read() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert read_from_replica(read) == "a page"
    assert known.errors == []


def test_a_verdict_that_nobody_renews_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now, looking, go_on = [0.0], threading.Event(), threading.Event()
    replica_of_tests = replica.Replica(lambda: now[0])

    def look() -> None:
        looking.set()
        if now[0]:
            assert go_on.wait(10)
        replica_of_tests._note("", replica.LOOK_SECONDS)

    monkeypatch.setattr(replica_of_tests, "_look", look)
    assert replica_of_tests.is_usable()
    now[0] = replica.LOOK_SECONDS / 2
    assert replica_of_tests.is_usable()

    now[0] = 3_600.0
    looking.clear()
    slow = threading.Thread(target=replica_of_tests.is_usable)
    slow.start()
    assert looking.wait(10)
    assert not replica_of_tests.is_usable(), "what the last look said is an hour old"
    go_on.set()
    slow.join()
    assert replica_of_tests.is_usable()
