from __future__ import annotations

import subprocess
from pathlib import Path

import psutil

from betting.runtime.embedded.process import (
    all_serving,
    end,
    is_alive,
    pid_in_file,
    serving,
    wait_until,
)


def test_a_process_is_known_by_its_program_and_its_directory(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "60"], cwd=tmp_path) as sleeper:
        found = serving(sleeper.pid, "sleep", tmp_path)

        assert found is not None
        assert all_serving("sleep", tmp_path) == [found]
        assert serving(sleeper.pid, "postgres", tmp_path) is None
        assert serving(sleeper.pid, "sleep", tmp_path.parent) is None

        end([found], patience_seconds=10)
    assert serving(sleeper.pid, "sleep", tmp_path) is None


def test_a_process_that_ignores_the_request_to_end_is_killed(tmp_path: Path) -> None:
    script = "trap '' TERM; echo ready; while :; do read line; done"
    with subprocess.Popen(
        ["/bin/sh", "-c", script], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as stubborn:
        assert stubborn.stdout is not None
        stubborn.stdout.readline()
        end(all_serving("sh", tmp_path), patience_seconds=0.1)

        assert stubborn.wait(10) == -9


def test_a_dead_process_that_its_parent_has_not_noticed_serves_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "60"], cwd=tmp_path) as sleeper:
        process = psutil.Process(sleeper.pid)
        process.kill()

        assert wait_until(lambda: process.status() == psutil.STATUS_ZOMBIE, 10)
        assert not is_alive(process)
        assert serving(sleeper.pid, "sleep", tmp_path) is None


def test_a_pid_file_that_is_missing_or_torn_names_no_process(tmp_path: Path) -> None:
    torn = tmp_path / "postmaster.pid"
    assert pid_in_file(torn) is None
    torn.write_text("")
    assert pid_in_file(torn) is None
    torn.write_text("4242\n/data\n")
    assert pid_in_file(torn) == 4242
    assert serving(None, "postgres", tmp_path) is None
