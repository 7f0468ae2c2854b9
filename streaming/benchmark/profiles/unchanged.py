"""`unchanged`: answers that say what is known already, which most answers of a feed do."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.db import connection

from streaming.benchmark.contenders import answers
from streaming.benchmark.contenders.hardline import Hardline
from streaming.benchmark.session import Session
from streaming.benchmark.waiting import BenchmarkError
from streaming.benchmark.workload import BOOKS, OUTCOMES, opening_prices
from streaming.ingest import resolve
from streaming.providers.registry import adapter
from valuation.arrays import FloatArray

WARM_PASSES = 3


def run_unchanged(session: Session) -> None:
    """Measure how many quotes are read and compared a second, decoding included.

    Cold: on a new connection, with no id remembered, as the first answers of a process. The floor
    only decodes.
    """
    plan = session.plan
    opening = opening_prices(plan.unchanged_markets, plan.seed)
    session.expect("unchanged", plan.rounds)
    hardline = session.hardline()
    with session.workers(hardline):
        hardline.lay(opening)
        for number in range(1, plan.rounds + 1):
            session.step(f"unchanged, round {number}")
            resolve.forget()
            connection.close()
            for case, passes in (("cold", 1), ("warm", WARM_PASSES)):
                for who, read in (("hardline", _take(hardline)), ("floor", _decode)):
                    figures = {"quotes_per_second": _rate(hardline, opening, passes, read)}
                    session.record("unchanged", case, who, number, figures)


Read = Callable[[int, bytes], None]


def _rate(hardline: Hardline, opening: FloatArray, passes: int, read: Read) -> float:
    """Return the quotes a second of some passes over all sports; making answers takes no part."""
    seconds = 0.0
    for _ in range(passes):
        for sport in range(answers.sport_of(len(opening) - 1) + 1):
            body = hardline.body(sport, opening)
            started = time.perf_counter()
            read(sport, body)
            seconds += time.perf_counter() - started
    return passes * len(opening) * BOOKS * OUTCOMES / seconds


def _take(hardline: Hardline) -> Read:
    def take(sport: int, body: bytes) -> None:
        result = hardline.take(sport, body)
        if result.skipped_reason or result.markets:
            raise BenchmarkError(f"An answer without a change was not taken as one: {result}")

    return take


def _decode(sport: int, body: bytes) -> None:
    adapter(answers.ADAPTER).decoder().decode(answers.request_of(sport), answers.answer(body))
