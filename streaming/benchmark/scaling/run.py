"""Measuring costs or machines from outside: servers, a process that measures, and their end."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from betting.config import CHECKOUT
from betting.config.servers import only_servers
from streaming.benchmark.run import end, stopped_by_signals
from streaming.benchmark.scaling.costs import KEY_ENV
from streaming.benchmark.scaling.document import Scaling, ScalingPlan
from streaming.benchmark.scaling.servers import tls_servers
from streaming.benchmark.waiting import BenchmarkError
from streaming.runner.ports import free_port


def run_scaling(plan: ScalingPlan) -> Scaling:
    """Measure in a directory and on servers of its own, and remove them.

    Raises:
        BenchmarkError: a program is missing, or the work was not done.
        KeyboardInterrupt: it was asked to stop, and has removed everything.
    """
    with (
        stopped_by_signals(),
        tempfile.TemporaryDirectory(prefix="hardline-scaling-") as name,
    ):
        directory = Path(name)
        directory.chmod(0o755)  # for PostgreSQL's own account
        with tls_servers(directory) as servers:
            plan = msgspec.structs.replace(plan, servers=dict(servers.pids))
            environ = {
                "HARDLINE_HOME": str(directory / "home"),
                "HARDLINE_POLL_DEDUPE_MS": "0",  # the same request may be made at once
                # The one port of this machine at which a provider may be.
                "HARDLINE_WEB_SIMULATOR_PORT": str(free_port()),
                KEY_ENV: "none-is-needed",
                **only_servers(DATABASE_URL=servers.database_url, REDIS_URL=servers.redis_url),
            }
            return _measure(directory, plan, environ)


def _measure(directory: Path, plan: ScalingPlan, environ: dict[str, str]) -> Scaling:
    found = directory / "result.json"
    command = ("benchmark", "scaling-trial", msgspec.json.encode(plan).decode(), f"--out={found}")
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, str(CHECKOUT / "manage.py"), *command],
        env={**os.environ, **environ},
        start_new_session=True,
    )
    try:
        status = process.wait()
    except KeyboardInterrupt:
        end(process)
        raise
    if status:
        raise BenchmarkError(f"The measurement did not come to its end.\n{_said(directory)}")
    return msgspec.json.decode(found.read_bytes(), type=Scaling)


def _said(directory: Path) -> str:
    """Return the ends of the logs, which are about to be removed."""
    logs = sorted((directory / "home").glob("**/*.log"))
    return "\n".join(f"{log.name}:\n{log.read_text(errors='replace')[-1500:]}" for log in logs)
