"""Servers that have run before: how they are found, stopped, killed and started again."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

import psutil
import pytest

from betting.config import Config
from betting.runtime import embedded
from betting.runtime.embedded import EmbeddedError, process
from betting.runtime.embedded.account import Account, server_account
from betting.runtime.embedded.postgres import Postgres
from betting.runtime.embedded.redis import Redis
from betting.runtime.embedded.state import State
from tests.betting.runtime.embedded.clients import assert_kept, pids, write

#: Their first start is not what is tested here: `test_first_start.py` has it.
pytestmark = pytest.mark.usefixtures("laid")


def kill(pid: int | None) -> None:
    assert pid is not None
    victim = psutil.Process(pid)
    victim.send_signal(signal.SIGKILL)
    assert process.wait_until(lambda: not process.is_alive(victim), 10)


def test_no_server_listens_on_tcp_or_shares_our_terminal(config: Config) -> None:
    embedded.ensure_running(config)

    for pid in pids(config):
        server = psutil.Process(pid)
        assert server.net_connections(kind="inet") == []
        assert server.terminal() is None
        assert os.getsid(server.pid) != os.getsid(0)


def test_stop_leaves_no_process_and_no_socket_and_start_finds_the_data(
    config: Config, state: State
) -> None:
    embedded.ensure_running(config)
    write(config)
    embedded.stop(config)

    assert process.all_serving("postgres", state.postgres_data) == []
    assert process.all_serving("valkey-server", state.redis_data) == []
    assert not state.runtime.exists()
    assert not any(server.is_running for server in embedded.status(config))

    embedded.ensure_running(config)
    assert_kept(config)


def test_what_was_written_survives_servers_that_are_killed(config: Config) -> None:
    embedded.ensure_running(config)
    write(config)
    killed = pids(config)
    for pid in killed:
        kill(pid)

    embedded.ensure_running(config)

    assert set(pids(config)).isdisjoint(killed)
    assert_kept(config)


def test_a_user_starts_dead_servers_again_and_nobody_else_does(config: Config) -> None:
    with embedded.used(config):
        write(config)
        assert embedded.restart_dead(config) == []
        killed = pids(config)
        for pid in killed:
            kill(pid)
        assert embedded.restart_dead(config) == ["PostgreSQL", "Redis"]
        assert set(pids(config)).isdisjoint(killed)
        assert_kept(config)
    assert embedded.restart_dead(config) == []
    assert not any(server.is_running for server in embedded.status(config))


def test_a_server_that_dies_as_soon_as_it_has_started_is_said_to_have_failed(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch = Postgres._launch

    def launch_in_vain(server: Postgres, account: Account) -> None:
        launch(server, account)
        kill(pids(config)[0])

    with embedded.used(config):
        kill(pids(config)[0])
        with monkeypatch.context() as patch:
            patch.setattr(Postgres, "_launch", launch_in_vain)
            with pytest.raises(EmbeddedError, match="started, and then failed"):
                embedded.restart_dead(config)
        assert embedded.restart_dead(config) == ["PostgreSQL"]


def test_a_full_disk_is_a_failure_to_start(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with embedded.used(config):
        kill(pids(config)[1])
        with monkeypatch.context() as patch:
            patch.setattr(Redis, "start", is_full)
            with pytest.raises(EmbeddedError, match="No space left on device"):
                embedded.restart_dead(config)


def test_servers_that_stand_still_are_stopped_without_waiting_for_them(config: Config) -> None:
    embedded.ensure_running(config)
    for pid in pids(config):
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
    started_at = time.monotonic()
    embedded.stop(config)
    assert time.monotonic() - started_at < 15
    assert not any(server.is_running for server in embedded.status(config))


def test_servers_that_end_while_they_are_waited_for_are_started_again(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded.ensure_running(config)
    hung = [pid for pid in pids(config) if pid is not None]
    for pid in hung:
        os.kill(pid, signal.SIGSTOP)
    wait_until = process.wait_until

    def wait_until_it_is_gone(condition: Callable[[], bool], _seconds: float) -> bool:
        """They die once they are waited for, and nobody's patience ends before the test's."""
        for pid in hung:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return wait_until(condition, 3_600)

    monkeypatch.setattr(process, "wait_until", wait_until_it_is_gone)
    embedded.ensure_running(config)

    assert len(hung) == 2
    assert set(pids(config)).isdisjoint(hung)


def test_stale_pid_files_that_name_a_living_stranger_are_not_believed(
    config: Config, state: State
) -> None:
    embedded.ensure_running(config)
    write(config)
    postgres_pid, redis_pid = pids(config)
    kill(postgres_pid)
    kill(redis_pid)
    pid_file = state.postgres_data / "postmaster.pid"
    _, _, rest = pid_file.read_text().partition("\n")
    account = server_account() if os.geteuid() == 0 else None
    # PostgreSQL refuses to start while a process of its own account has the id in the file.
    with subprocess.Popen(["/bin/sleep", "60"], user=account.uid if account else None) as stranger:
        pid_file.write_text(f"{stranger.pid}\n{rest}")
        (state.redis_data / "redis.pid").write_text(f"{stranger.pid}\n")

        embedded.ensure_running(config)

        assert stranger.poll() is None
        stranger.kill()
    assert_kept(config)


def test_servers_whose_sockets_were_cleared_away_are_started_again(
    config: Config, state: State
) -> None:
    embedded.ensure_running(config)
    write(config)
    shutil.rmtree(state.runtime)

    embedded.ensure_running(config)

    assert_kept(config)


def test_a_home_deleted_under_its_servers_is_made_anew(config: Config, state: State) -> None:
    embedded.ensure_running(config)
    before = pids(config)
    shutil.rmtree(state.home)
    shutil.rmtree(state.database, ignore_errors=True)

    embedded.ensure_running(config)

    assert set(pids(config)).isdisjoint(before)
    assert not any(psutil.pid_exists(pid) and is_running(pid) for pid in before if pid)


def is_running(pid: int) -> bool:
    return process.is_alive(psutil.Process(pid))


def test_a_start_that_was_killed_halfway_leaves_nothing_behind(
    config: Config, state: State
) -> None:
    embedded.ensure_running(config)
    embedded.stop(config)
    (state.database / "initdb-x7" / "base").mkdir(parents=True)

    embedded.ensure_running(config)

    assert not any(state.database.glob("initdb-*"))


def test_removing_the_state_deletes_what_is_ours_alone(config: Config, state: State) -> None:
    embedded.ensure_running(config)
    (state.home.parent / "neighbour").write_text("not ours")

    removed = embedded.remove_state(config)

    assert set(removed) == {state.home, state.database}
    assert [path.name for path in state.home.parent.iterdir()] == ["neighbour"]
    assert embedded.remove_state(config) == []


def test_a_start_that_fails_says_what_the_server_has_logged(config: Config, state: State) -> None:
    embedded.ensure_running(config)
    embedded.stop(config)
    wal, aside = state.postgres_data / "pg_wal", state.postgres_data / "pg_wal.aside"
    wal.rename(aside)
    account = server_account()
    for directory in (wal, wal / "archive_status", wal / "summaries"):
        directory.mkdir()
        os.chown(directory, account.uid, account.gid)
    try:
        with pytest.raises(EmbeddedError, match="could not locate a valid checkpoint record"):
            embedded.ensure_running(config)
    finally:
        shutil.rmtree(wal)
        aside.rename(wal)
