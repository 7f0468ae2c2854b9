"""The CPU time of processes."""

from __future__ import annotations

import os

from streaming.benchmark.process_metrics import family_usages


def test_work_that_takes_less_than_a_tick_of_the_clock_is_counted() -> None:
    own = os.getpid()
    seen = []
    for _ in range(20):
        seen.append(family_usages([own])[own].cpu_seconds)
        sum(range(1_000))
    assert len(set(seen)) == len(seen)
    assert seen == sorted(seen)
