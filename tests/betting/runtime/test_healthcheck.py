"""The health check of a container, run as a container runs it: a script of its own."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from betting.config import get_config
from betting.runtime import alive, healthcheck
from streaming.runner.processes import ROLES, node_name

NOW = 1_700_000_000.0


@contextmanager
def web(status: int) -> Iterator[tuple[int, list[str]]]:
    """Serve one status at each path; yield the port, and the hosts and paths asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.headers['Host']}{self.path}")
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b'{"notes": ["PostgreSQL: away"]}')

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def aged(home: Path, role: str, seconds: float) -> dict[str, str]:
    """Touch a role's file so long ago; return the environment of the check."""
    alive.touch(home, role)
    os.utime(home / "alive" / role, (NOW - seconds, NOW - seconds))
    return {"HARDLINE_HOME": str(home)}


def test_every_role_has_a_check() -> None:
    workers = {role for role in ROLES if role.startswith("worker-")}
    assert set(ROLES) == workers | {"beat"} | set(healthcheck.SERVERS)


@pytest.mark.parametrize("role", ["worker-value", "beat"])
def test_a_process_that_works_is_healthy(tmp_path: Path, role: str) -> None:
    assert healthcheck.problem(role, aged(tmp_path, role, 29), NOW) == ""


def test_a_worker_that_has_lost_the_broker_is_not(tmp_path: Path) -> None:
    environ = aged(tmp_path, "worker-io", 31)
    assert healthcheck.problem("worker-io", environ, NOW) == (
        "worker-io has shown no sign of life for 31 s"
    )


def test_a_worker_that_waits_for_its_tables_is_not_healthy_yet(tmp_path: Path) -> None:
    environ = {"HARDLINE_HOME": str(tmp_path)}
    assert healthcheck.problem("beat", environ, NOW) == "beat has not begun to work"


def test_the_web_server_is_healthy_once_it_is_ready() -> None:
    with web(200) as (port, asked):
        environ = {
            "HARDLINE_WEB_PORT": str(port),
            "HARDLINE_WEB_ALLOWED_HOSTS": "odds.example, b.example",
        }
        assert healthcheck.problem("web", environ, NOW) == ""
    assert asked == ["odds.example/health/ready"]


def test_a_web_server_that_is_not_ready_says_why() -> None:
    with web(503) as (port, _):
        found = healthcheck.problem("web", {"HARDLINE_WEB_PORT": str(port)}, NOW)
    assert found == 'not ready: 503 {"notes": ["PostgreSQL: away"]}'


@pytest.mark.parametrize("role", sorted(healthcheck.SERVERS))
def test_a_port_that_nobody_listens_on_is_a_problem(role: str) -> None:
    with web(200) as (port, _):
        pass
    variable, _ = healthcheck.SERVERS[role]
    found = healthcheck.problem(role, {variable: str(port)}, NOW)
    assert found.startswith(f"{role} does not answer on port {port}")


def test_the_role_is_the_one_that_the_container_noted(tmp_path: Path) -> None:
    (tmp_path / healthcheck.ROLE_FILE).write_text("worker-major")

    def check() -> tuple[int, str]:
        ended = subprocess.run(
            [sys.executable, "-I", "-S", healthcheck.__file__],
            env={"HARDLINE_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        return ended.returncode, ended.stdout

    assert check() == (1, "worker-major has not begun to work\n")
    alive.touch(tmp_path, "worker-major")
    assert check() == (0, "")


def test_a_heartbeat_touches_the_file_of_its_worker() -> None:
    home = get_config().home
    name = node_name("worker-deliver", home)
    alive._touch_of_worker(SimpleNamespace(eventer=SimpleNamespace(hostname=name)))
    assert (home / "alive" / "worker-deliver").is_file()


def test_a_home_that_cannot_be_written_ends_no_worker(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    alive.touch(tmp_path / "file", "worker-io")
