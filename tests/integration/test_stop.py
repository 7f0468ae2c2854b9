"""The end of a worker whose pool has just been given a task."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest
from redis import Redis

from tests.integration.conftest import wait_until
from tests.integration.test_dead_letters import QUEUE, environment, failing_worker, send

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]

__all__ = ["environment"]

STOP_SECONDS = 15
"""Half of what a pool's process waits by default for a count that cannot come."""


@pytest.mark.usefixtures("environment")
def test_a_worker_ends_though_its_pool_was_given_a_task_that_nobody_counts(
    redis: Redis, tmp_path: Path
) -> None:
    with failing_worker(tmp_path / "logs", "--concurrency", "1") as supervisor:
        send("tests.works", tmp_path, "first")
        wait_until((tmp_path / "first").exists, "the pool to work")
        wait_until(lambda: redis.hlen("unacked") == 0, "its acknowledgement")
        (main,) = psutil.Process(supervisor.pids()["failing"]).children()
        (child,) = main.children()

        # The task is in the pipe, and whether the process has taken it is not known at the end.
        child.send_signal(signal.SIGSTOP)
        send("tests.works", tmp_path, "second")
        wait_until(lambda: redis.hlen("unacked") == 1, "the message to be taken")
        threads = main.num_threads()
        main.send_signal(signal.SIGTERM)
        # One more thread runs while the pool is waited for, which comes after all else has ended.
        wait_until(lambda: main.num_threads() > threads, "the end to begin")
        child.send_signal(signal.SIGCONT)

        main.wait(STOP_SECONDS)
        assert not psutil.pid_exists(child.pid)
    assert redis.llen(QUEUE) == 1, "it was acknowledged, or is lost"
