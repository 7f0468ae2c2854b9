from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streaming.chaos import clocks
from streaming.chaos.stage import WORKERS

READ = """
import json, select, sys, time
from streaming.chaos import clocks

for line in sys.stdin:
    before = time.time()
    until = time.monotonic() + 10
    while "moves" in line and abs(time.time() - before) < 30 and time.monotonic() < until:
        select.select([], [], [], 0.02)
    print(json.dumps([time.time(), clocks.now().timestamp(), time.monotonic()]), flush=True)
"""

installed = pytest.mark.skipif(clocks.library() is None, reason="libfaketime is not installed")


def test_the_clocks_that_can_be_set_are_of_workers() -> None:
    assert set(clocks.WORKERS) < set(WORKERS)


def test_the_clock_of_another_program_cannot_be_set(tmp_path: Path) -> None:
    assert clocks.environ(tmp_path, "worker-deliver") == {}


def test_the_right_time_is_that_of_the_clock_where_nothing_sets_it() -> None:
    before, now, after = datetime.now(UTC), clocks.now(), datetime.now(UTC)
    assert before <= now <= after


def test_what_killed_processes_left_in_shared_memory_is_removed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    left = {f"faketime_shm_{ended.pid}", f"sem.faketime_sem_{ended.pid}"}
    kept = {f"faketime_shm_{os.getpid()}", "faketime_shm_x", "another_1"}
    for name in left | kept:
        (tmp_path / name).touch()
    clocks.remove_leftovers(tmp_path)
    assert {each.name for each in tmp_path.iterdir()} == kept


@installed
def test_a_workers_clock_is_set_and_comes_back_while_it_runs(tmp_path: Path) -> None:
    worker = clocks.WORKERS[0]
    environ = {**os.environ, **clocks.environ(tmp_path, worker)}
    with subprocess.Popen(
        [sys.executable, "-c", READ],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def read(line: str) -> list[float]:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            wall, right, monotonic = json.loads(process.stdout.readline())
            # The worker's right time is ours, to within what a busy machine takes to say it.
            assert datetime.now(UTC).timestamp() - right == pytest.approx(0, abs=5)
            return [wall - right, monotonic]

        off, first = read("now")
        assert off == pytest.approx(0, abs=1)
        for seconds in (60, -60):
            with clocks.shifted(tmp_path, worker, seconds):
                off, second = read("moves")
                assert off == pytest.approx(seconds, abs=1)
                assert 0 < second - first < 30
            off, first = read("moves")
            assert off == pytest.approx(0, abs=1)
