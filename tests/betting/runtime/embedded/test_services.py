from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from betting.config import CHECKOUT, Config, load
from betting.runtime import embedded
from betting.runtime.embedded import EmbeddedError, process
from betting.runtime.embedded.account import Account, server_account
from betting.runtime.embedded.postgres import Postgres
from betting.runtime.embedded.redis import Redis
from betting.runtime.embedded.state import State
from tests.betting.runtime.embedded.clients import assert_kept, pids, query, redis_client, write

START = """
import os
from betting.config import load
from betting.runtime.embedded import ensure_running
ensure_running(load(os.environ))
"""


def start_in_another_process(config: Config) -> subprocess.Popen[bytes]:
    environment = {"HARDLINE_HOME": str(config.home)}
    return subprocess.Popen([sys.executable, "-c", START], cwd=CHECKOUT, env=environment)


def kill(pid: int | None) -> None:
    assert pid is not None
    victim = psutil.Process(pid)
    victim.send_signal(signal.SIGKILL)
    assert process.wait_until(lambda: not process.is_alive(victim), 10)


def test_both_servers_start_and_a_second_call_starts_nothing(config: Config) -> None:
    embedded.ensure_running(config)
    first = pids(config)
    embedded.ensure_running(config)

    assert all(server.is_running for server in embedded.status(config))
    assert pids(config) == first
    assert query(config, "SHOW server_version_num")[0][0].startswith("18")  # type: ignore[attr-defined]
    with redis_client(config) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_no_server_listens_on_tcp_or_shares_our_terminal(config: Config) -> None:
    embedded.ensure_running(config)

    for pid in pids(config):
        server = psutil.Process(pid)
        assert server.net_connections(kind="inet") == []
        assert server.terminal() is None
        assert os.getsid(server.pid) != os.getsid(0)


def test_the_sockets_are_closed_to_everyone_else(config: Config, state: State) -> None:
    embedded.ensure_running(config)

    for folder in (state.postgres_sockets, state.redis_socket.parent, state.home):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


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


def test_two_processes_that_start_at_once_get_the_same_servers(
    config: Config, state: State
) -> None:
    starters = [start_in_another_process(config) for _ in range(2)]

    assert [starter.wait(60) for starter in starters] == [0, 0]
    assert all(server.is_running for server in embedded.status(config))
    assert len(process.all_serving("valkey-server", state.redis_data)) == 1


def test_a_start_that_was_killed_halfway_is_done_again(config: Config, state: State) -> None:
    starter = start_in_another_process(config)
    assert process.wait_until(lambda: any(state.database.glob("initdb-*/base")), 30)
    starter.kill()
    starter.wait()

    embedded.ensure_running(config)

    write(config)
    assert_kept(config)


def test_a_start_that_was_killed_halfway_leaves_nothing_behind(
    config: Config, state: State
) -> None:
    embedded.ensure_running(config)
    embedded.stop(config)
    (state.database / "initdb-x7" / "base").mkdir(parents=True)

    embedded.ensure_running(config)

    assert not any(state.database.glob("initdb-*"))


def test_no_parent_folder_is_opened_to_anyone(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    config = load({"HARDLINE_HOME": str(private / "home")})
    parents = [private, *private.parents, Path("/var/lib"), Path("/run")]
    before = [parent.stat().st_mode for parent in parents]
    try:
        embedded.ensure_running(config)
        assert [parent.stat().st_mode for parent in parents] == before
    finally:
        embedded.remove_state(config)


def test_a_configured_server_is_used_and_none_is_started_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("betting.runtime.embedded.services.require_reachable", lambda _: None)
    config = load(
        {
            "HARDLINE_HOME": str(tmp_path / "home"),
            "DATABASE_URL": "postgresql://ana@db.local/odds",
            "REDIS_URL": "redis://cache.local:6380/2",
        }
    )
    embedded.ensure_running(config)

    assert not config.home.exists()
    assert [server.address for server in embedded.status(config)] == ["DATABASE_URL", "REDIS_URL"]
    assert embedded.database_settings(config)["HOST"] == "db.local"
    assert embedded.broker_url(config) == "redis://cache.local:6380/2"


def test_removing_the_state_deletes_what_is_ours_alone(config: Config, state: State) -> None:
    embedded.ensure_running(config)
    (state.home.parent / "neighbour").write_text("not ours")

    removed = embedded.remove_state(config)

    assert set(removed) == {state.home, state.database}
    assert [path.name for path in state.home.parent.iterdir()] == ["neighbour"]
    assert embedded.remove_state(config) == []


def test_a_folder_with_other_files_is_neither_used_nor_removed(config: Config) -> None:
    config.home.mkdir()
    treasure = config.home / "thesis.tex"
    treasure.write_text("years of work")

    with pytest.raises(embedded.EmbeddedError, match="files that are not Hardline's"):
        embedded.ensure_running(config)

    assert embedded.remove_state(config) == []
    assert treasure.read_text() == "years of work"
