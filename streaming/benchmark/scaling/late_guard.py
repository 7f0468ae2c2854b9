"""The cost of the guard for late answers: the same answers are ingested with it and without it.

An answer from before an event's start may be ingested after the closing prices were taken; the
guard has them taken again. It is a part of the statement that applies an answer.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from django.db import connection

from betting.config import Config
from streaming.benchmark.contenders.hardline import Hardline
from streaming.benchmark.scaling.document import ScalingPlan
from streaming.benchmark.workload import ordinary_burst
from streaming.ingest import ingest as ingesting
from streaming.ingest.sql import APPLY
from valuation.arrays import FloatArray

ROUNDS_TIMES = 3
"""Rounds for each poll of the other cases: the difference is small."""

_PARTS = (
    ("""reopened AS (
    UPDATE betting_event e SET closed_for = %(received_at)s
    WHERE e.id = ANY (%(events)s::bigint[])
      AND e.closed_for > %(received_at)s AND e.commence_time > %(received_at)s
      AND NOT (e.id = ANY (%(owned_events)s::bigint[]) AND (%(is_list)s OR e.status <> 'ended'))
),
""", ""),
    (""",
        closed_for = CASE WHEN e.closed_for > %(received_at)s
                          AND v.commence_time > %(received_at)s
                          THEN %(received_at)s ELSE e.closed_for END
""", "\n"),
    ("""
        OR e.closed_for > %(received_at)s)
""", ")\n"),
)  # fmt: skip


def without_guard(statement: str) -> str:
    """Return the statement that applies an answer, without the guard.

    Raises:
        LookupError: a part of the guard is not there.
    """
    for part, instead in _PARTS:
        if statement.count(part) != 1:
            raise LookupError(f"The guard has changed; there is no part: {part}")
        statement = statement.replace(part, instead)
    return statement


def costs(config: Config, plan: ScalingPlan, opening: FloatArray) -> dict[str, float]:
    """Return milliseconds and CPU milliseconds of an ingest with and without the guard.

    The workers are stopped: what is measured is the ingest alone, in turns.
    """
    hardline = Hardline(config)
    hardline.empty()
    hardline.open(opening)
    found: dict[str, float] = {}
    burst = ordinary_burst(opening, opening, range(len(opening)), plan.seed, 1)
    changed = burst.applied_to(opening)
    for words, both in (
        ("none changed", (opening, opening)),
        (f"{len(burst):,} changed", (changed, opening)),
    ):
        spent = _in_turn(hardline, both, ROUNDS_TIMES * plan.polls)
        for name, (walls, cpu) in spent.items():
            found[f"ingest of 2,000 quotes, {words}, {name}: ms"] = statistics.median(walls)
            found[f"ingest of 2,000 quotes, {words}, {name}: ms of CPU"] = cpu
    return found


def _in_turn(
    hardline: Hardline, both: tuple[FloatArray, FloatArray], rounds: int
) -> dict[str, tuple[list[float], float]]:
    """Ingest two answers after each other, with and without the guard in turn."""
    statements = {"with the guard": APPLY, "without": without_guard(APPLY)}
    walls: dict[str, list[float]] = {name: [] for name in statements}
    cpu = dict.fromkeys(statements, 0.0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = psutil.Process(cursor.fetchone()[0])
    order = list(statements.items())
    for turn in range(rounds + 1):
        order.reverse()
        for name, statement in order:
            with _applying(statement):
                before = _cpu_ms(backend)
                for prices in both:
                    body = hardline.body(0, prices)
                    snapshot = hardline.decode(0, body)
                    started = time.perf_counter()
                    hardline.ingest(snapshot)
                    if turn:  # the first has the statements planned
                        walls[name].append(1_000 * (time.perf_counter() - started))
                if turn:
                    cpu[name] += _cpu_ms(backend) - before
    return {name: (walls[name], cpu[name] / (2 * rounds)) for name in statements}


@contextmanager
def _applying(statement: str) -> Iterator[None]:
    """Have answers of this process applied by another statement while the block runs."""
    names = vars(ingesting)
    names["APPLY"] = statement
    try:
        yield
    finally:
        names["APPLY"] = APPLY


def _cpu_ms(backend: psutil.Process) -> float:
    """Return the CPU time of this process's session of PostgreSQL until now."""
    times = backend.cpu_times()
    return 1_000 * float(times.user + times.system)
