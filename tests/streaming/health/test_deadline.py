"""Calls with a deadline: made by threads that keep a database connection while they are used."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from streaming.health import deadline
from streaming.health.deadline import DeadlineError, within

pytestmark = pytest.mark.django_db(transaction=True)


def backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (process,) = cursor.fetchone()
    return int(process)


def test_calls_one_after_the_other_share_a_connection_that_is_not_the_callers() -> None:
    first = within(5, backend)
    assert within(5, backend) == first != backend()


def test_a_connection_that_was_lost_meanwhile_is_replaced() -> None:
    lost = within(5, backend)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [lost])

    assert within(5, backend) != lost


def test_an_error_is_the_callers() -> None:
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 // 0)
    assert within(5, backend)


def test_a_call_that_ends_too_late_keeps_nobody_waiting() -> None:
    may_end = threading.Event()
    with pytest.raises(DeadlineError):
        within(0.01, lambda: may_end.wait(10))
    assert within(5, backend)
    may_end.set()


def test_calls_that_wait_for_a_replica_leave_the_others_their_places() -> None:
    may_end = threading.Event()
    for _ in range(deadline.MAX_WAITING + 1):
        with pytest.raises(DeadlineError):
            within(0.01, lambda: may_end.wait(10), is_of_replica=True)
    with pytest.raises(DeadlineError, match="earlier"):
        within(5, backend, is_of_replica=True)
    assert within(5, backend)
    may_end.set()


def test_a_thread_that_nothing_is_asked_of_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "IDLE_SECONDS", 0.01)
    asker = within(5, threading.current_thread)
    asker.join(10)
    assert not asker.is_alive()
    assert within(5, threading.current_thread) is not asker
