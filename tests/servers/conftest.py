"""Hardline's commands on servers that are not its own: real ones, over TCP."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from betting.config import CHECKOUT
from tests.support.documents import commands
from tests.support.tcp_servers import TcpServer, tcp_postgres, tcp_valkey

RECORDING = CHECKOUT / "tests" / "recordings" / "simulated.jsonl.gz"
COMMAND_SECONDS = 240

# A replay starts ten processes.
TIMEOUT_SECONDS = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bound each test of this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(TIMEOUT_SECONDS))


def require(package: str, *programs: str) -> None:
    """Skip, and say what to install, where a program is missing."""
    missing = [each for each in programs if shutil.which(each) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)} here (Debian: apt-get install {package})")


@dataclass
class Site:
    """A state directory, and the servers that its commands use.

    Attributes:
        home: the state directory.
        postgres: past any pooler.
        environ: the variables that lead to the servers.
    """

    home: Path
    postgres: TcpServer
    environ: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str | Path) -> tuple[list[str | Path], Mapping[str, str]]:
        """Return a command of manage.py and its environment."""
        return [sys.executable, CHECKOUT / "manage.py", *arguments], {
            **os.environ,
            "HARDLINE_HOME": str(self.home),
            "HARDLINE_CELERY_IO_THREADS": "2",
            **self.environ,
        }

    def manage(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        words, environ = self.command(*arguments)
        return subprocess.run(
            words,
            env=environ,
            check=False,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )

    def do(self, *arguments: str | Path) -> str:
        """Run a command, which has to succeed; return what it prints."""
        done = self.manage(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def running(self, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
        """Start a command, whose output is in a file; it has to succeed, if need be interrupted."""
        words, environ = self.command(*arguments)
        with self._output.open("w") as log:
            process = subprocess.Popen(words, env=environ, stdout=log, stderr=log, text=True)
            try:
                yield process
                process.send_signal(signal.SIGINT)  # of no effect where it has ended
                assert process.wait(COMMAND_SECONDS) == 0, self.output()
            finally:
                process.kill()
                process.wait()

    @property
    def _output(self) -> Path:
        return self.home.with_suffix(".log")

    def output(self) -> str:
        """Return what the latest such command has printed."""
        return self._output.read_text()

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a statement."""
        with psycopg.connect(self.postgres.database_url) as connection:
            return connection.execute(statement.encode()).fetchall()


def assert_is_the_published_replay(site: Site, output: str) -> None:
    """Compare a replay's facts with those of the README, its history with its facts."""
    facts = json.loads(output.splitlines()[-1])
    (shown,) = (c.shown for c in commands(CHECKOUT / "README.md") if " run --feed " in c.text)
    published = json.loads(shown.replace(",…}", "}"))
    assert {name: facts[name] for name in published} == published
    assert facts["dead_letters"] == 0
    assert facts["markets_recomputed"] >= facts["markets"] > 0
    history = site.ask(
        "SELECT CASE kind WHEN 'ended' THEN 'suspended' ELSE kind END, count(*)"
        " FROM betting_linechange GROUP BY 1"
    )
    assert dict(history) == published["changes"]
    assert site.ask("SELECT count(*) FROM betting_market WHERE version <> valued_version") == [(0,)]
    assert site.ask("SELECT count(*) FROM streaming_deadletter") == [(0,)]


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that PostgreSQL's account reaches as well, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="hardline-servers-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.fixture
def site(directory: Path) -> Iterator[Site]:
    """A PostgreSQL that is far from UTC, and a Valkey."""
    settings = ("timezone=America/New_York", "max_connections=100")
    with tcp_postgres(directory, *settings) as postgres, tcp_valkey(directory) as valkey:
        environ = {"DATABASE_URL": postgres.database_url, "REDIS_URL": valkey.redis_url}
        yield Site(directory / "home", postgres, environ)
