from __future__ import annotations

import io
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from betting.config import Config, load
from betting.runtime import embedded
from betting.runtime.embedded.state import prepare_home
from betting.runtime.first_run import Login
from betting.runtime.supervisor import AlreadyRunningError, Program, single_instance
from streaming.runner.environment import set_up, supervised, where_to_look
from streaming.runner.interrupts import Interrupts
from streaming.runner.ports import LOOPBACK, PortError
from streaming.runner.terminal import Terminal
from tests.betting.runtime.embedded.clients import are_running


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Config]:
    config = load({"HARDLINE_HOME": str(tmp_path / "home")})
    yield config
    embedded.remove_state(config)


def test_a_second_run_of_a_checkout_is_refused_before_it_touches_anything(config: Config) -> None:
    prepare_home(config.home)
    second = set_up(config, [])
    with single_instance(config.home / "run.lock"), pytest.raises(AlreadyRunningError):
        second.__enter__()
    assert are_running(config) == [False, False]


def test_a_port_in_use_is_refused_before_anything_is_started(config: Config) -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        attempt = set_up(config, [(LOOPBACK, server.getsockname()[1])])
        with pytest.raises(PortError):
            attempt.__enter__()
    assert are_running(config) == [False, False]


def test_processes_end_with_the_block_whatever_ends_it(config: Config) -> None:
    output = io.StringIO()
    config.home.mkdir()
    sleeper = Program(
        "sleeper", [sys.executable, "-c", "import time; time.sleep(600)"], config.home
    )
    with Interrupts() as interrupts:
        terminal = Terminal(Console(file=output, width=500))
        block = supervised([[sleeper]], config, interrupts, terminal)
        supervisor = block.__enter__()
        assert list(supervisor.pids()) == ["sleeper"]
        error = ZeroDivisionError()
        assert not block.__exit__(ZeroDivisionError, error, None)
    assert supervisor.pids() == {}
    assert "Starting sleeper" in output.getvalue()


def test_a_new_password_is_shown_once_and_later_its_file() -> None:
    config = Config(home=Path("/srv/hardline"))
    file = config.home / "secrets" / "admin-password"
    first = Login("swordfish", file, is_new=True)
    new = where_to_look(config, first, is_terminal=True, with_simulator=True)
    assert "swordfish" in new
    assert "http://127.0.0.1:8099" in new
    kept = where_to_look(config, first, is_terminal=False)
    assert "swordfish" not in kept
    assert f"its password is in {file}" in kept
    known = where_to_look(config, Login("swordfish", file, is_new=False), is_terminal=True)
    assert "swordfish" not in known
    assert f"its password is in {file}" in known
    theirs = Login("swordfish", file, is_new=False, is_current=False)
    changed = where_to_look(config, theirs, is_terminal=True)
    assert "its password is in" not in changed
    assert f"Flower's, which is in {file}" in changed
    assert "manage.py changepassword admin" in changed
