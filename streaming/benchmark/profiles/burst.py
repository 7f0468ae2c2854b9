"""`burst`: changes that arrive all at once, until the last of their values is committed."""

from __future__ import annotations

import time

from betting.db.clock import database_now
from streaming.benchmark.contenders.base import Contender
from streaming.benchmark.contenders.verification import verify
from streaming.benchmark.session import Session, cpu_seconds, latency_figures
from streaming.benchmark.waiting import BenchmarkError, wait_until
from streaming.benchmark.workload import BOOKS, Burst, opening_prices, ordinary_burst
from valuation.arrays import FloatArray

WARM_MARKETS = 20
"""A burst of so many markets comes first, so that connections and caches are there."""


def run_burst(session: Session) -> None:
    """Measure bursts of each size, by each contender."""
    plan = session.plan
    turns = [
        (number, contender, [size for size in plan.sizes if size * BOOKS <= contender.most_changes])
        for number in range(1, plan.rounds + 1)
        for contender in session.in_turn(number, "burst")
    ]
    session.expect("burst", sum(len(sizes) for _, _, sizes in turns))
    for number, contender, sizes in turns:
        with session.workers(contender):
            for size in sizes:
                case = f"{size:,} markets"
                session.step(f"burst, round {number}: {contender.name}, {case}")
                prices = warmed(session, contender, size)
                burst = ordinary_burst(
                    opening_prices(size, plan.seed), prices, range(size), plan.seed, number
                )
                figures = measure_burst(session, contender, burst, prices)
                session.record("burst", case, contender.name, number, figures)


def warmed(session: Session, contender: Contender, markets: int) -> FloatArray:
    """Lay markets, have a small burst valued, and return the prices after it."""
    opening = opening_prices(markets, session.plan.seed)
    contender.lay(opening)
    few = range(min(markets, WARM_MARKETS))
    burst = ordinary_burst(opening, opening, few, session.plan.seed, 0)
    contender.prepare(burst, opening)()
    wait_until(contender.is_done, f"the first values of {contender.name}")
    time.sleep(contender.rest_seconds)
    return burst.applied_to(opening)


def measure_burst(
    session: Session, contender: Contender, burst: Burst, prices: FloatArray
) -> dict[str, float]:
    """Hand a burst over, wait for its last value, and return the figures.

    Args:
        session: the benchmark.
        contender: warm, with its workers running.
        burst: what arrives.
        prices: those before it.

    Raises:
        BenchmarkError: the contender did not do the work.
    """
    feed = contender.prepare(burst, prices)
    counts, usage = contender.counts(), session.usage()
    arrived_at, started = database_now().timestamp(), time.perf_counter()
    feed()
    wait_until(contender.is_done, f"the values of {contender.name}")
    seconds = time.perf_counter() - started
    cpu = cpu_seconds(usage, session.usage())
    done, outcome = contender.counts(), contender.outcome()
    wrong = verify(contender.name, outcome, burst.applied_to(prices), session.config.valuation)
    changes, history = len(burst), done.history - counts.history
    if history != changes:
        raise BenchmarkError(f"{contender.name} left {history} rows of {changes} changes.")
    return {
        "changes_per_second": changes / seconds,
        "wall_seconds": seconds,
        "cpu_seconds_per_1000": 1000 * cpu / changes,
        "recomputes_per_change": (done.recomputes - counts.recomputes) / changes,
        **latency_figures(((outcome.valued_at[burst.markets] - arrived_at) * 1000).tolist()),
        "changes": changes,
        "history_rows": history,
        "wrong_fair_prices": wrong,
    }
