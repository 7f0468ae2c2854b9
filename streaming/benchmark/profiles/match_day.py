"""`match-day`: a scripted Saturday, as one installation has it."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from betting.db.clock import database_now
from streaming.benchmark.contenders.hardline import Hardline
from streaming.benchmark.match_day import EVENTS, Case, Step, saturday
from streaming.benchmark.profiles.burst import warmed
from streaming.benchmark.session import Session, cpu_seconds, latency_figures, memory_megabytes
from streaming.benchmark.waiting import wait_until
from streaming.benchmark.workload import Burst, major_change, opening_prices, ordinary_burst
from valuation.arrays import FloatArray


@dataclass
class _Waiting:
    """The markets that wait for a value, and how long others did."""

    since: dict[int, tuple[float, Case]] = field(default_factory=dict)
    latencies_ms: dict[Case, list[float]] = field(default_factory=lambda: defaultdict(list))

    def begin(self, step: Step) -> None:
        """Note that the events of an answer wait from now on, unless they do already."""
        now = database_now().timestamp()
        for event in step.events:
            self.since.setdefault(event, (now, step.case))

    def look(self, hardline: Hardline, provider: int) -> None:
        """Note which of a provider's markets have been valued meanwhile."""
        for event, at in hardline.valued_by_market(provider).items():
            since, case = self.since.get(event, (at, None))
            if case is not None and at > since:
                self.latencies_ms[case].append((at - since) * 1000)
                del self.since[event]


def run_match_day(session: Session) -> None:
    """Measure a Saturday, each round another one."""
    plan = session.plan
    session.expect("match-day", plan.rounds * int(plan.match_day_seconds))
    hardline = session.hardline()
    for number in range(1, plan.rounds + 1):
        with session.workers(hardline):
            _day(session, hardline, number)


def _day(session: Session, hardline: Hardline, number: int) -> None:
    plan = session.plan
    opening, prices = opening_prices(EVENTS, plan.seed), warmed(session, hardline, EVENTS)
    changes: dict[Case, int] = defaultdict(int)
    waiting, shown, before = _Waiting(), -1, session.usage()
    started = time.perf_counter()
    for count, step in enumerate(saturday(plan.seed + number, plan.match_day_seconds), start=1):
        burst = _burst(step, opening, prices, plan.seed, count)
        feed = hardline.prepare(burst, prices)
        prices = burst.applied_to(prices)
        if step.goals:  # what moved far stays there
            moved = burst.market[-len(step.goals) :], burst.book[-len(step.goals) :], 0
            opening[moved] = prices[moved]
        time.sleep(max(0.0, started + step.at - time.perf_counter()))
        waiting.look(hardline, step.provider)
        waiting.begin(step)
        feed()
        changes[step.case] += len(burst)
        while shown < int(step.at):
            shown += 1
            session.step(f"match-day, round {number}: {step.case}")
    wait_until(hardline.is_done, "the last values")
    for provider in (0, 1):
        waiting.look(hardline, provider)
    after, total = session.usage(), sum(changes.values())
    whole = {
        "cpu_seconds_per_1000": 1000 * cpu_seconds(before, after) / max(total, 1),
        "memory_megabytes": memory_megabytes(after),
        "wrong_fair_prices": float(session.wrong_values(hardline, prices)),
    }
    for case, latencies in sorted(waiting.latencies_ms.items(), key=lambda each: _ORDER[each[0]]):
        figures = {**latency_figures(latencies), "changes": float(changes[case])}
        session.record(
            "match-day", case, hardline.name, number, figures | (whole if case == "in play" else {})
        )


_ORDER: dict[Case, int] = {"in play": 0, "kick-off": 1, "provider flaps": 2}


def _burst(step: Step, opening: FloatArray, now: FloatArray, seed: int, number: int) -> Burst:
    """Return the changes of an answer; a goal moves one price of its event far."""
    parts = [ordinary_burst(opening, now, step.events, seed, number)]
    for event in step.goals:
        parts.append(major_change(parts[0].applied_to(now), event, number))
    return Burst(
        np.concatenate([each.market for each in parts]),
        np.concatenate([each.book for each in parts]),
        np.concatenate([each.outcome for each in parts]),
        np.concatenate([each.price for each in parts]),
    )
