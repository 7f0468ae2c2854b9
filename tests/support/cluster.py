"""A PostgreSQL data directory with Hardline's tables, which is made once for a run of the tests.

A first start makes its own, in some seconds of a processor. A home whose first start is not what is
tested gets a copy instead.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

from betting.config import Config
from betting.runtime.embedded import ensure_running, stop
from betting.runtime.embedded.account import server_account
from betting.runtime.embedded.state import prepare_database, prepare_home, state_of
from betting.runtime.first_run import migrate
from tests.betting.runtime.embedded.clients import query


def made_cluster(config: Config) -> Path:
    """Return the data directory; the first process that needs it makes it in its own home.

    Args:
        config: that of Django's settings in this process.
    """
    made = Path(os.environ["TEST_RUN_DIRECTORY"], "cluster")
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            ensure_running(config)
            # A server that is killed loses nothing by it, only a machine would.
            query(config, "ALTER SYSTEM SET fsync = off")
            migrate()
            stop(config)
            _copy(state_of(config).postgres_data, made)
    return made


def lay(cluster: Path, config: Config) -> None:
    """Copy the data directory into a home that has none."""
    data = state_of(config).postgres_data
    if not data.exists():
        make_room(config)
        _copy(cluster, data)


def make_room(config: Config) -> None:
    """Make what is around the data directory of a home that has none."""
    state = state_of(config)
    prepare_home(state.home)
    prepare_database(state, server_account())


def _copy(directory: Path, to: Path) -> None:
    """Copy a directory with its owner, PostgreSQL's own account."""
    subprocess.run(["cp", "-a", directory, to], check=True)
