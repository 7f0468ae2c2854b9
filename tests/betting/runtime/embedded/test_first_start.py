"""The first start in a home: the data directory is made, once, and nothing beside it is touched."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from betting.config import CHECKOUT, Config, load
from betting.runtime import embedded
from betting.runtime.embedded import process
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


def test_both_servers_start_and_a_second_call_starts_nothing(config: Config) -> None:
    embedded.ensure_running(config)
    first = pids(config)
    embedded.ensure_running(config)

    assert all(server.is_running for server in embedded.status(config))
    assert pids(config) == first
    assert query(config, "SHOW server_version_num")[0][0].startswith("18")  # type: ignore[attr-defined]
    with redis_client(config) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_the_sockets_are_closed_to_everyone_else(config: Config, state: State) -> None:
    embedded.ensure_running(config)

    for folder in (state.postgres_sockets, state.redis_socket.parent, state.home):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


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


def test_a_folder_with_other_files_is_neither_used_nor_removed(config: Config) -> None:
    config.home.mkdir()
    treasure = config.home / "thesis.tex"
    treasure.write_text("years of work")

    with pytest.raises(embedded.EmbeddedError, match="files that are not Hardline's"):
        embedded.ensure_running(config)

    assert embedded.remove_state(config) == []
    assert treasure.read_text() == "years of work"
