from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from streaming.runner.interrupts import SIGNALS, Interrupts


@pytest.fixture
def heeded() -> Iterator[None]:
    """As at a terminal: the tests may themselves be run by `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.usefixtures("heeded")
def test_each_way_to_stop_a_program_is_a_request(number: signal.Signals) -> None:
    with Interrupts() as interrupts:
        requests = [interrupts.is_requested]
        signal.raise_signal(number)
        requests.append(interrupts.is_requested)
        assert requests == [False, True]
        assert not interrupts.is_hurried


def test_a_second_request_is_a_hurry() -> None:
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert interrupts.is_hurried


def test_waiting_ends_with_the_request() -> None:
    with Interrupts() as interrupts:
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        started_at = time.monotonic()
        assert interrupts.wait(60)
        assert time.monotonic() - started_at < 30
        assert interrupts.wait(60)  # an earlier request counts
        assert time.monotonic() - started_at < 30


def test_waiting_without_a_request_ends_in_time() -> None:
    with Interrupts() as interrupts:
        assert not interrupts.wait(0.01)
        assert not interrupts.wait(-1)


@pytest.mark.usefixtures("heeded")
def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with Interrupts():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_the_end_of_the_terminal_is_ignored_where_nohup_has_said_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            signal.raise_signal(signal.SIGHUP)
            assert not interrupts.is_requested
            signal.raise_signal(signal.SIGTERM)
            assert interrupts.is_requested
    finally:
        signal.signal(signal.SIGHUP, before)
