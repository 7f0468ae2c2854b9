"""`make run` as a newcomer sees it: one command, everything up, Ctrl-C, nothing left, no loss."""

from __future__ import annotations

import base64
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import pytest

from betting.runtime import embedded
from betting.web.guarded_flower import MAX_FAILURES
from streaming.runner.ports import LOOPBACK
from tests.integration.installation import COMMAND_SECONDS, Installation
from tests.integration.live_run import (
    as_installed,
    free_ports,
    running,
    wait_for_edges,
    wait_for_the_start,
)
from tests.support.logs import read_logs

LINE_CHANGES = "SELECT count(*) FROM betting_linechange"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    installed = Installation(tmp_path / "home")
    as_installed(installed)
    yield installed
    installed.remove()


def status_of(port: int, path: str, login: str = "") -> int:
    headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
    request = Request(f"http://{LOOPBACK}:{port}{path}", headers=headers if login else {})
    try:
        with urlopen(request, timeout=30) as answer:
            status: int = answer.status
            return status
    except HTTPError as error:
        return error.code


def running_in(home: str) -> list[psutil.Process]:
    """Every process of the installation, its servers aside, whose environment is empty."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("HARDLINE_HOME") == home:
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_everything_comes_up_flows_and_ends_with_ctrl_c(
    installation: Installation, tmp_path: Path
) -> None:
    home, port, told = installation.environ["HARDLINE_HOME"], free_ports(3), tmp_path / "told"
    with running(installation, port, told) as run:
        wait_for_the_start(run, told)
        password = Path(home, "secrets", "admin-password").read_text().strip()
        assert password not in told.read_text()  # which is no terminal, but a file

        wait_for_edges(installation)
        assert installation.export("edges")
        assert installation.export("fair_prices", "--status", "ok")
        assert status_of(port, "/admin/login/") == 200
        assert status_of(port, "/health/ready") == 200
        assert status_of(port, "/metrics") == 200
        assert status_of(port, "/static/admin/css/base.css") == 200
        assert status_of(port + 1, "/") == 401
        assert status_of(port + 1, "/", f"admin:{password}") == 200
        for page in ("/metrics", "/healthcheck", "/api/workers", "/tasks"):
            assert status_of(port + 1, page) == 401
        assert status_of(port + 1, "/metrics", f"admin:{password}") == 200
        wrong = [status_of(port + 1, "/metrics", "admin:wrong") for _ in range(MAX_FAILURES)]
        assert wrong == [401] * MAX_FAILURES
        assert status_of(port + 1, "/", f"admin:{password}") == 429
        second = installation.fork("run")
        assert second.returncode == 1
        assert f"already running: process {run.pid}" in second.stderr

        run.send_signal(signal.SIGINT)
        output, _ = run.communicate(timeout=COMMAND_SECONDS)
    assert run.returncode == 0, told.read_text()
    installation.end_forks()
    assert running_in(home) == []
    assert [server.is_running for server in embedded.status(installation.config)] == [False] * 2

    logged = {line["action"] for line in read_logs(Path(home, "logs"))}
    assert {"cycle", "poll", "ingest", "recompute"} <= logged
    facts = json.loads(output.splitlines()[-1])
    assert facts["dead_letters"] == 0, told.read_text()
    embedded.ensure_running(installation.config)
    assert installation.ask(LINE_CHANGES) == [(sum(facts["changes"].values()),)] != [(0,)]
