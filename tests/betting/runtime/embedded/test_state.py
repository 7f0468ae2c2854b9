from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from betting.config import Config, load
from betting.runtime.embedded.account import our_account
from betting.runtime.embedded.directories import owned_directory
from betting.runtime.embedded.errors import EmbeddedError
from betting.runtime.embedded.state import exclusive, prepare_home, prepare_runtime, state_of


def test_one_home_by_two_names_is_one_home(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "home")

    assert state_of(Config(tmp_path / "link")) == state_of(Config(tmp_path / "home"))


def test_two_homes_share_no_socket(tmp_path: Path) -> None:
    one, other = state_of(Config(tmp_path / "one")), state_of(Config(tmp_path / "other"))

    assert one.runtime != other.runtime


def test_sockets_stay_short_however_long_the_home_is(tmp_path: Path) -> None:
    state = state_of(Config(tmp_path / ("long" * 40)))

    assert len(os.fsencode(state.postgres_sockets / ".s.PGSQL.5432.lock")) < 70


def test_a_runtime_directory_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    config = load(
        {
            "HARDLINE_HOME": str(tmp_path / "home"),
            "HARDLINE_RUNTIME_DIR": str(tmp_path / ("long" * 20)),
        }
    )
    with pytest.raises(EmbeddedError, match="set HARDLINE_RUNTIME_DIR to a shorter"):
        prepare_runtime(state_of(config), our_account())


def test_a_lock_that_cannot_be_made_is_said_with_what_to_do(tmp_path: Path) -> None:
    state = state_of(Config(tmp_path / "home"))
    prepare_home(state.home)
    state.lock_file.mkdir()  # for root, no mode is read-only
    with pytest.raises(EmbeddedError, match="set HARDLINE_HOME"), exclusive(state):
        pass


def test_a_planted_link_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir(mode=0o755)
    state = replace(state_of(Config(tmp_path / "home")), runtime=tmp_path / "s")
    state.runtime.symlink_to(target)

    with pytest.raises(EmbeddedError, match="not safe to use"):
        prepare_runtime(state, our_account())

    assert list(target.iterdir()) == []


def test_a_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    foreign = Path("/")
    if os.geteuid() == 0:
        foreign = tmp_path / "foreign"
        foreign.mkdir()
        os.chown(foreign, 12345, 12345)

    with pytest.raises(EmbeddedError, match="not safe to use"):
        owned_directory(foreign, os.geteuid(), os.getegid())


def test_a_directory_of_ours_is_closed_to_others(tmp_path: Path) -> None:
    ours = tmp_path / "ours"
    ours.mkdir(mode=0o777)

    owned_directory(ours, os.geteuid(), os.getegid())

    assert stat.S_IMODE(ours.stat().st_mode) == 0o700


def test_a_home_that_cannot_be_made_is_an_error_that_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(EmbeddedError, match="set HARDLINE_HOME"):
        prepare_home(tmp_path / "file" / "home")
