"""What a handler that fails costs the others: how long theirs take beside it, failing and well.

Run with ``pytest -s tests/benchmarks/test_delivery_benchmark.py``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from statistics import median, quantiles
from time import perf_counter
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections

from betting.config import Config, get_config
from streaming.core.notifications import Notification, to_message
from streaming.dead_letters.capture import record_letter
from streaming.models import DeadLetter
from streaming.notifications import handlers
from streaming.notifications.delivery import Delivery, Fate, deliver
from streaming.notifications.handlers import subscriber
from tests.support.notifications import line_major
from tests.support.receiver import Receiver, running_receiver
from tests.support.rows import make_webhook

MESSAGES = 200
INTERVAL_SECONDS = 0.03
ROUNDS = 4
THREADS = 8

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]


@pytest.fixture(autouse=True)
def _handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that always fails, and one that is always well."""
    monkeypatch.setattr(handlers, "_handlers", {})

    @subscriber(name="failing")
    def fail(_events: Sequence[Notification]) -> None:
        raise ValueError("on purpose")

    @subscriber(name="well")
    def take(_events: Sequence[Notification]) -> None:
        """Nothing is done with them."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


def _config() -> Config:
    usual = get_config()
    return replace(usual, bus=replace(usual.bus, allow_private_networks=True))


def _deliver(key: str) -> Fate:
    with closing(connections["default"]):
        return deliver(
            Delivery(key, str(uuid4()), to_message([line_major()])), _config(), record_letter
        )


def _latencies_ms(webhook: str, beside: str) -> list[float]:
    """How long after its message each delivery to a webhook was made, beside those to a handler."""
    latencies: list[float] = []

    def deliver_and_note(since: float) -> None:
        assert _deliver(webhook) is Fate.DELIVERED
        latencies.append((perf_counter() - since) * 1000)

    pause = threading.Event()
    with ThreadPoolExecutor(THREADS) as pool:
        pending: list[Future[Any]] = []
        for _ in range(MESSAGES):
            pending.append(pool.submit(_deliver, beside))
            pending.append(pool.submit(deliver_and_note, perf_counter()))
            pause.wait(INTERVAL_SECONDS)
        for each in pending:
            each.result()
    return latencies


def test_deliveries_beside_a_handler_that_fails(receiver: Receiver) -> None:
    webhook = make_webhook(url=receiver.url).key
    p95_ms: dict[str, list[float]] = {"handler:well": [], "handler:failing": []}
    for number in range(ROUNDS):
        for handler in sorted(p95_ms, reverse=number % 2 == 0):
            latencies = _latencies_ms(webhook, handler)
            p95_ms[handler].append(quantiles(latencies, n=20)[-1])
            print(f"\n{handler}: p50 {median(latencies):.1f}, p95 {p95_ms[handler][-1]:.1f} ms")
    letters = DeadLetter.objects.values_list("args__0", flat=True)
    assert set(letters) == {"handler:failing"}
