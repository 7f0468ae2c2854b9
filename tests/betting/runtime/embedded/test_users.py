"""Who uses the servers, and what ends with the last one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from betting.config import Config
from betting.runtime import embedded
from betting.runtime.embedded import EmbeddedError, services
from betting.runtime.embedded.redis import Redis
from tests.betting.runtime.embedded.clients import are_running

#: How the servers first start is not what is tested here.
pytestmark = pytest.mark.usefixtures("laid")

USES_FOR_EVER = """
import signal
from betting.config import get_config
from betting.runtime.embedded import used
with used(get_config()):
    print("started", flush=True)
    signal.pause()
"""


def test_servers_end_with_the_only_one_who_used_them(config: Config) -> None:
    with embedded.used(config):
        assert are_running(config) == [True, True]
    assert are_running(config) == [False, False]


def test_servers_go_on_until_the_last_who_uses_them_ends(config: Config) -> None:
    first, second = embedded.used(config), embedded.used(config)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert are_running(config) == [True, True]
    second.__exit__(None, None, None)
    assert are_running(config) == [False, False]


def test_servers_that_a_command_started_go_on_after_a_run(config: Config) -> None:
    embedded.ensure_running(config)
    with embedded.used(config):
        assert are_running(config) == [True, True]
    assert are_running(config) == [True, True]


def test_servers_that_someone_asked_for_during_a_run_go_on_after_it(config: Config) -> None:
    with embedded.used(config):
        embedded.start(config)
    assert are_running(config) == [True, True]


def test_a_command_that_starts_a_server_anew_during_a_run_does_not_keep_it(config: Config) -> None:
    with embedded.used(config):
        for server in embedded.status(config):
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
        embedded.ensure_running(config)
    assert are_running(config) == [False, False]


def test_stopped_servers_are_not_kept_by_what_was_asked_before(config: Config) -> None:
    embedded.start(config)
    embedded.stop(config)
    with embedded.used(config):
        pass
    assert are_running(config) == [False, False]


def test_servers_left_by_a_killed_run_end_with_the_next(config: Config) -> None:
    environ = {**os.environ, "HARDLINE_HOME": str(config.home)}
    killed = subprocess.Popen(
        [sys.executable, "-c", USES_FOR_EVER], env=environ, stdout=subprocess.PIPE
    )
    assert killed.stdout is not None
    assert killed.stdout.readline() == b"started\n"
    killed.kill()
    killed.wait()
    killed.stdout.close()
    assert are_running(config) == [True, True]
    with embedded.used(config):
        pass
    assert are_running(config) == [False, False]


def test_a_server_that_does_not_start_ends_the_other(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Redis.start

    def fail(self: Redis) -> None:
        start(self)
        raise EmbeddedError("It does not start.")

    monkeypatch.setattr(Redis, "start", fail)
    use = embedded.used(config)
    with pytest.raises(EmbeddedError):
        use.__enter__()
    assert are_running(config) == [False, False]


def test_who_comes_while_the_last_user_stops_the_servers_finds_them_running(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_all, may_end, is_in = services._stop_all, threading.Event(), threading.Event()

    def come() -> list[bool]:
        with embedded.used(config):
            is_in.set()
            assert may_end.wait(60)
            return are_running(config)

    with ThreadPoolExecutor(1) as pool:
        coming: list[Future[list[bool]]] = []

        def stop_while_another_comes(*of: Any) -> None:
            monkeypatch.setattr(services, "_stop_all", stop_all)
            coming.append(pool.submit(come))
            is_in.wait(0.5)  # it must not get in before the servers are stopped
            stop_all(*of)

        monkeypatch.setattr(services, "_stop_all", stop_while_another_comes)
        with embedded.used(config):
            pass
        may_end.set()
        assert coming[0].result() == [True, True]
