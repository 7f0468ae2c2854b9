"""`soak`: a steady stream of changes, to see whether anything grows that should not."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from betting.db.clock import database_now
from streaming.benchmark.aggregates import Usages, distribution, memory_growth
from streaming.benchmark.contenders.answers import MARKETS_IN_ANSWER
from streaming.benchmark.contenders.hardline import Hardline
from streaming.benchmark.profiles.burst import warmed
from streaming.benchmark.results.document import Curve
from streaming.benchmark.session import (
    Session,
    cpu_seconds,
    latency_figures,
    memory_megabytes,
)
from streaming.benchmark.waiting import wait_until
from streaming.benchmark.workload import BOOKS, opening_prices, ordinary_burst

SPORTS = 10
CHANGES_IN_ANSWER = MARKETS_IN_ANSWER * BOOKS
WINDOWS = 12
"""The parts of a round; a curve has a point for each."""
COMPARED = WINDOWS // 3
"""The windows at the beginning, and at the end, that are compared."""
FIRST, LAST = "first third", "last third"
TENTHS = 10
"""Of a millisecond: latencies are counted by them, so that the measuring process does not grow."""


@dataclass
class _Window:
    """The observations of a part of a round."""

    tenths: Counter[int] = field(default_factory=Counter)
    usage: Usages = field(default_factory=dict)
    cpu_seconds: float = 0.0
    changes: int = 0

    @property
    def latencies_ms(self) -> list[float]:
        """The latencies of markets, to a tenth of a millisecond."""
        return [tenths / TENTHS for tenths in self.tenths.elements()]


def run_soak(session: Session) -> None:
    """Measure Hardline under a steady load, and compare the end with the beginning."""
    plan = session.plan
    session.expect("soak", plan.rounds * WINDOWS)
    hardline = session.hardline()
    for number in range(1, plan.rounds + 1):
        with session.workers(hardline):
            windows = _windows(session, hardline, number)
        for case, part in (
            (FIRST, windows[:COMPARED]),
            (LAST, windows[-COMPARED:]),
        ):
            changes = sum(window.changes for window in part)
            figures = {
                **latency_figures([ms for window in part for ms in window.latencies_ms]),
                "cpu_seconds_per_1000": 1000 * sum(w.cpu_seconds for w in part) / max(changes, 1),
                "memory_megabytes": max(memory_megabytes(window.usage) for window in part),
                "changes": changes,
            }
            if case == LAST:
                figures["memory_growth"] = memory_growth(
                    *([window.usage for window in each] for each in (windows[:COMPARED], part))
                )
            session.record("soak", case, hardline.name, number, figures)
        _curves(session, hardline, number, windows)


def _windows(session: Session, hardline: Hardline, number: int) -> list[_Window]:
    """Feed answers at a steady rate, one sport after the other.

    A market's latency is read when its sport's next answer is due: from the arrival of an answer to
    the value that was written last before then.
    """
    plan = session.plan
    markets = SPORTS * MARKETS_IN_ANSWER
    opening, prices = opening_prices(markets, plan.seed), warmed(session, hardline, markets)
    apart = CHANGES_IN_ANSWER / plan.soak_rate
    answers = max(int(plan.soak_seconds / apart), WINDOWS)
    windows = [_Window() for _ in range(WINDOWS)]
    sent: dict[int, tuple[int, float]] = {}
    usage, current = session.usage(), -1
    started = time.perf_counter()
    for step in range(answers):
        index = step * WINDOWS // answers
        if index != current:
            session.step(f"soak, round {number}: part {index + 1} of {WINDOWS}")
            current = index
        sport = step % SPORTS
        first = sport * MARKETS_IN_ANSWER
        burst = ordinary_burst(
            opening, prices, range(first, first + MARKETS_IN_ANSWER), plan.seed, step + 1
        )
        feed = hardline.prepare(burst, prices)
        prices = burst.applied_to(prices)
        time.sleep(max(0.0, started + step * apart - time.perf_counter()))
        _look(hardline, windows, sent, sport)
        sent[sport] = (index, database_now().timestamp())
        feed()
        windows[index].changes += len(burst)
        if step + 1 == answers or (step + 1) * WINDOWS // answers != index:
            before, usage = usage, session.usage()
            windows[index].cpu_seconds = cpu_seconds(before, usage)
            windows[index].usage = usage
    wait_until(hardline.is_done, "the last values")
    for sport in list(sent):
        _look(hardline, windows, sent, sport)
    session.wrong_values(hardline, prices)
    return windows


def _look(
    hardline: Hardline, windows: list[_Window], sent: dict[int, tuple[int, float]], sport: int
) -> None:
    """Note how long after a sport's latest answer its markets were valued."""
    if sport in sent:
        index, at = sent[sport]
        valued_at = hardline.valued_at(sport)
        windows[index].tenths.update(
            round((each - at) * 1000 * TENTHS) for each in valued_at if each > at
        )


def _curves(session: Session, hardline: Hardline, number: int, windows: list[_Window]) -> None:
    seconds = session.plan.soak_seconds / WINDOWS
    ends = [seconds * (index + 1) for index in range(WINDOWS)]
    p95 = [distribution(window.latencies_ms).p95 for window in windows]
    latency = [(end, ms) for end, ms in zip(ends, p95, strict=True) if ms is not None]
    memory = [(end, memory_megabytes(w.usage)) for end, w in zip(ends, windows, strict=True)]
    for measure, points in (("p95_ms", latency), ("memory_megabytes", memory)):
        session.curves.append(Curve("soak", measure, hardline.name, number, points))
