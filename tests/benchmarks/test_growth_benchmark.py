"""What an answer costs as the board grows: filling it, and one change of it.

Run with ``pytest -s tests/benchmarks/test_growth_benchmark.py``; `QUOTES` is the size of the board.
"""

from __future__ import annotations

import os
import time
from itertools import count
from statistics import median

import pytest

from betting.models import Provider, Quote
from streaming.core.snapshot import Snapshot
from streaming.ingest.ingest import IngestPolicy, ingest
from tests.support.snapshots import AWAY, HOME, event, make_provider, quote, snapshot

QUOTES = int(os.environ.get("QUOTES", "100000"))
EVENTS, BOOKS = 100, 10
IN_ANSWER = EVENTS * BOOKS * 2

pytestmark = pytest.mark.django_db(transaction=True)


_seconds = count(1)


def answer(number: int, step: int, events: range = range(EVENTS)) -> Snapshot:
    """Events of one feed; the first bookmaker's prices alternate."""
    price = 1.96 + 0.01 * (step % 2)
    return snapshot(
        [
            event(
                [
                    quote(f"b{book}", name, 1.95 if book else price)
                    for book in range(BOOKS)
                    for name in (HOME, AWAY)
                ],
                f"e{number}-{each}",
            )
            for each in events
        ],
        next(_seconds),
        feed=f"/odds/{number}" if len(events) > 1 else f"/event/{number}",
        is_list=False,
    )


def taken_ms(provider: Provider, given: Snapshot) -> float:
    started = time.perf_counter()
    ingest(provider.pk, given, IngestPolicy())
    return (time.perf_counter() - started) * 1000


def test_filling_a_new_installation_and_one_change_as_it_grows() -> None:
    provider = make_provider()
    fills = []
    for number in range(QUOTES // IN_ANSWER):
        fills.append(taken_ms(provider, answer(number, 0)))
        known = (number + 1) * IN_ANSWER
        if known in {IN_ANSWER, 5 * IN_ANSWER, QUOTES // IN_ANSWER * IN_ANSWER}:
            _tell_changes(provider, known)
    first, last = median(fills[1:6]), median(fills[-5:])
    print(
        f"\nfilled with {Quote.objects.count():,} quotes in {sum(fills) / 1000:.1f} s;"
        f" answers of {IN_ANSWER:,}: the first {first:.0f} ms, the last {last:.0f} ms,"
        f" the slowest {max(fills):.0f} ms"
    )


def _tell_changes(provider: Provider, known: int) -> None:
    one_event = range(1)
    taken_ms(provider, answer(0, 0, one_event))
    small = [taken_ms(provider, answer(0, step, one_event)) for step in range(1, 40)]
    large = [taken_ms(provider, answer(0, step)) for step in range(40, 49)]
    print(
        f"\n{known:,} quotes known: one event's answer of {2 * BOOKS} quotes, 2 changed:"
        f" {median(small):.1f} ms; a list of {IN_ANSWER:,}, {2 * EVENTS} changed:"
        f" {median(large):.1f} ms"
    )
