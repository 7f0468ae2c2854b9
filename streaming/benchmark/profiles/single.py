"""`ordinary` and `major`: single changes, from their arrival to their committed value."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Thread

from django.db import connection

from betting.db.clock import database_now
from streaming.benchmark.contenders.base import Contender
from streaming.benchmark.contenders.verification import verify
from streaming.benchmark.profiles.burst import warmed
from streaming.benchmark.session import Session, latency_figures
from streaming.benchmark.waiting import BenchmarkError, wait_until
from streaming.benchmark.workload import (
    BOOKS,
    Burst,
    major_change,
    opening_prices,
    ordinary_burst,
    single_change,
)
from valuation.arrays import FloatArray

MARKETS = 100
MOVES_APART_SECONDS = 0.05
"""How often a major move arrives during a burst, whether or not the one before it is valued."""

Change = Callable[[FloatArray, int], Burst]
"""The prices now and the number of the change → the change."""


def run_ordinary(session: Session) -> None:
    """Measure ordinary changes that come one by one, while nothing else is done."""
    seed, opening = session.plan.seed, opening_prices(MARKETS, session.plan.seed)

    def change(now: FloatArray, step: int) -> Burst:
        return single_change(opening, now, step % MARKETS, seed, step)

    _run(session, "ordinary", change)


def run_major(session: Session) -> None:
    """Measure major moves that come one by one, and those that come during a burst."""
    _run(session, "major", lambda now, step: major_change(now, step % MARKETS, step))
    if session.plan.during_burst:
        _run_during_burst(session)


def _run(session: Session, profile: str, change: Change) -> None:
    turns = [
        (number, contender)
        for number in range(1, session.plan.rounds + 1)
        for contender in session.in_turn(number, profile)
    ]
    session.expect(profile, len(turns))
    for number, contender in turns:
        session.step(f"{profile}, round {number}: {contender.name}")
        with session.workers(contender):
            prices = warmed(session, contender, MARKETS)
            latencies_ms = []
            for step in range(session.plan.samples + 1):
                burst = change(prices, step)
                feed = contender.prepare(burst, prices)
                prices = burst.applied_to(prices)
                time.sleep(contender.rest_seconds)
                started = time.perf_counter()
                feed()
                wait_until(contender.is_done, f"a value of {contender.name}", looks_apart=1)
                latencies_ms.append((time.perf_counter() - started) * 1000)
            session.wrong_values(contender, prices)
        # A worker that has just started plans its statements then.
        first_ms, *counted_ms = latencies_ms
        figures = {**latency_figures(counted_ms), "first_ms": first_ms, "changes": len(counted_ms)}
        session.record(profile, "idle", contender.name, number, figures)


def _run_during_burst(session: Session) -> None:
    changes = session.plan.during_burst
    turns = [
        (number, contender)
        for number in range(1, session.plan.rounds + 1)
        for contender in session.in_turn(number, "major during a burst")
        # The floor has no queue, in which a move could wait for others or overtake them.
        if contender.name != "floor" and changes <= contender.most_changes
    ]
    session.expect("major", len(turns))
    for number, contender in turns:
        session.step(f"major during a burst, round {number}: {contender.name}")
        with session.workers(contender):
            figures = _moves_during_burst(session, contender, number)
        session.record("major", f"during {changes:,} changes", contender.name, number, figures)


def _moves_during_burst(session: Session, contender: Contender, number: int) -> dict[str, float]:
    """Have major moves arrive at fixed times, from the beginning of a burst to its end.

    The moves are of markets of their own, in an answer of their own, so that they do not wait for
    those of the burst to be read. Each is of another market, whose value says when it was valued.
    One comes before the burst, so that none of them is the first of a worker.
    """
    seed, samples = session.plan.seed, min(session.plan.samples, MARKETS - 1)
    markets = MARKETS + session.plan.during_burst // BOOKS
    prices = warmed(session, contender, markets)
    first = major_change(prices, MARKETS - 1, 0)
    contender.prepare(first, prices)()
    prices = first.applied_to(prices)
    wait_until(contender.is_done, f"the first move of {contender.name}")
    burst = ordinary_burst(
        opening_prices(markets, seed), prices, range(MARKETS, markets), seed, number
    )
    feed, after = contender.prepare(burst, prices), burst.applied_to(prices)
    moves = []
    for market in range(samples):
        move = major_change(after, market, market)
        moves.append(contender.prepare(move, after))
        after = move.applied_to(after)

    failures: list[BaseException] = []
    feeding = Thread(target=_guarded, args=(feed, failures))
    feeding.start()
    arrived_at: list[float] = []
    taken_at: list[float] = []
    for send in moves:
        if arrived_at and not feeding.is_alive() and contender.is_done():
            break
        arrived_at.append(database_now().timestamp())
        send()
        taken_at.append(database_now().timestamp())
        time.sleep(MOVES_APART_SECONDS)
    feeding.join()
    if failures:
        raise BenchmarkError(f"{contender.name} was not fed: {failures[0]}") from failures[0]
    for send in moves[len(arrived_at) :]:  # so that every contender does the same work
        send()
    wait_until(contender.is_done, f"the values of {contender.name}")
    outcome = contender.outcome()
    verify(contender.name, outcome, after, session.config.valuation)

    def until_valued(moments: Sequence[float]) -> list[float]:
        return [(float(outcome.valued_at[move]) - at) * 1000 for move, at in enumerate(moments)]

    # A value may be committed before the feeder is back from having it sent on.
    waited_ms = [max(0.0, each) for each in until_valued(taken_at)]
    return {
        **latency_figures(until_valued(arrived_at)),
        **latency_figures(waited_ms, "taken_"),
        "changes": len(arrived_at),
    }


def _guarded(feed: Callable[[], None], failures: list[BaseException]) -> None:
    """Feed in a thread, which has a connection of its own."""
    try:
        feed()
    except Exception as error:  # noqa: BLE001 - told by the thread that waits
        failures.append(error)
    finally:
        connection.close()
