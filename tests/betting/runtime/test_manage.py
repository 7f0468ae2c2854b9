"""The command line as a newcomer meets it: with a home of its own, which has nothing in it yet."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from betting.config import CHECKOUT, load
from betting.runtime import embedded
from tests.integration.forks import ManageForks, manage_forks
from tests.support.cluster import lay

Manage = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    embedded.remove_state(load({"HARDLINE_HOME": str(tmp_path / "home")}))


@pytest.fixture
def manage(home: Path) -> Manage:
    def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, CHECKOUT / "manage.py", *arguments],
            env={"PATH": os.defpath, "HARDLINE_HOME": str(home)} | environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManageForks]:
    """Commands that find nothing in their environment but the home."""
    home = tmp_path_factory.mktemp("forks") / "home"
    with manage_forks({"PATH": os.defpath, "HARDLINE_HOME": str(home)}) as forks:
        yield forks


@pytest.fixture
def forked_home(forks: ManageForks) -> Iterator[Path]:
    """The home of the forks, which is not there before a test, nor after it."""
    home = Path(forks.environ["HARDLINE_HOME"])
    yield home
    embedded.remove_state(load({"HARDLINE_HOME": str(home)}))


@pytest.fixture
def fork(forks: ManageForks, forked_home: Path) -> Manage:
    """Commands that need no environment of their own, and so no process that has to start."""
    return lambda *arguments: forks.run(arguments, forked_home.parent)


def test_a_bad_configuration_ends_with_all_its_problems_and_no_traceback(manage: Manage) -> None:
    done = manage("check", HARDLINE_WEB_PORT="http", HARDLINE_WEB_HOTS="::")

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "HARDLINE_WEB_PORT: 'http' is not a whole number" in done.stderr
    assert "did you mean HARDLINE_WEB_HOST?" in done.stderr


def test_a_home_that_cannot_be_used_ends_with_advice_and_no_traceback(
    manage: Manage, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    done = manage("showmigrations", HARDLINE_HOME=str(tmp_path / "file" / "home"))

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "set HARDLINE_HOME" in done.stderr


def test_a_command_that_needs_the_servers_starts_them_and_leaves_them_running(fork: Manage) -> None:
    assert fork("services", "status").returncode == 3

    assert fork("showmigrations").returncode == 0

    status = fork("services", "status")
    assert status.returncode == 0
    assert status.stdout.count("running (process") == 2


def test_help_starts_nothing(fork: Manage) -> None:
    assert fork("migrate", "--help").returncode == 0
    assert fork("help").returncode == 0

    assert fork("services", "status").stdout == "PostgreSQL: stopped\nRedis: stopped\n"


@pytest.fixture
def with_data(cluster: Path, forked_home: Path) -> None:
    """Have the home keep a data directory, which a start without one makes in a second."""
    lay(cluster, load({"HARDLINE_HOME": str(forked_home)}))


@pytest.mark.usefixtures("with_data")
def test_services_start_and_stop_do_what_they_say(fork: Manage) -> None:
    assert fork("services", "start").stdout.count("running (process") == 2
    assert fork("services", "stop").stdout == "PostgreSQL: stopped\nRedis: stopped\n"
    assert fork("services", "status").returncode == 3


@pytest.mark.usefixtures("with_data")
def test_clean_state_stops_the_servers_and_removes_what_they_kept(
    fork: Manage, forked_home: Path
) -> None:
    fork("services", "start")

    done = fork("clean_state")

    assert done.returncode == 0
    assert f"removed {forked_home}" in done.stdout
    assert not forked_home.exists()


def test_configuration_shows_the_settings_without_the_secrets(manage: Manage) -> None:
    done = manage(
        "configuration", HARDLINE_WEB_PORT="8123", REDIS_URL="redis://:hunter2@cache.local/0"
    )
    assert "HARDLINE_WEB_PORT=8123" in done.stdout.splitlines()
    assert "REDIS_URL=(set)" in done.stdout.splitlines()
    assert "hunter2" not in done.stdout


def test_a_removed_setting_is_named_at_the_start_and_stops_nothing(manage: Manage) -> None:
    done = manage("configuration", HARDLINE_COALESCE_SHARDS="4")

    assert done.returncode == 0
    assert done.stderr.count("HARDLINE_COALESCE_SHARDS was removed in 0.3.0") == 1
    assert "HARDLINE_COALESCE_SHARDS" not in done.stdout


def test_a_configured_server_is_not_ours_to_report_on(manage: Manage) -> None:
    done = manage(
        "services", "status", DATABASE_URL="postgresql://db.local/odds", REDIS_URL="redis://cache"
    )
    assert done.returncode == 0
    assert done.stdout == (
        "PostgreSQL: not ours, set by DATABASE_URL\nRedis: not ours, set by REDIS_URL\n"
    )
