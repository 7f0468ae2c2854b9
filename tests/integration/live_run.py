"""`manage.py run` with its own simulator, for the tests that look at it from outside."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from streaming.runner.ports import LOOPBACK
from tests.integration.conftest import wait_until
from tests.integration.installation import Installation

START_SECONDS = 120.0
OPEN_EDGES = "SELECT id FROM valuation_edge WHERE closed_at IS NULL LIMIT 1"


def free_ports(count: int) -> int:
    """The first of so many ports in a row that nothing listens on."""
    while True:
        with socket.create_server((LOOPBACK, 0)) as server, ExitStack() as others:
            first: int = server.getsockname()[1]
            try:
                for port in range(first + 1, first + count):
                    others.enter_context(socket.create_server((LOOPBACK, port)))
            except (OSError, OverflowError):
                continue
        return first


def as_installed(installation: Installation) -> None:
    """Set what an installation has: its simulator alone may be on this machine."""
    installation.environ["HARDLINE_LOG_LEVEL"] = "INFO"
    del installation.environ["HARDLINE_POLL_ALLOW_PRIVATE_NETWORKS"]


@contextmanager
def running(installation: Installation, port: int, told: Path) -> Iterator[subprocess.Popen[str]]:
    """A live run; one that a failed test leaves behind is killed, and its processes end with it."""
    with (
        told.open("w") as stderr,
        subprocess.Popen(
            installation.command("run", "--json", "--port", str(port)),
            env=installation.environ,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as run,
    ):
        try:
            yield run
        finally:
            run.kill()


def wait_for_the_start(run: subprocess.Popen[str], told: Path) -> None:
    """Wait until the run says where to look."""
    wait_until(
        lambda: "Ctrl-C stops" in told.read_text() or run.poll() is not None,
        "the start",
        START_SECONDS,
    )
    assert run.poll() is None, told.read_text()


def wait_for_edges(installation: Installation) -> None:
    wait_until(lambda: installation.ask(OPEN_EDGES) != [], "edges", START_SECONDS)
