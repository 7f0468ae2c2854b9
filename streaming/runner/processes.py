"""The table of processes; docs/architecture.md says what each is for."""

from __future__ import annotations

import hashlib
import os
import socket
import sys
from pathlib import Path

from betting.config import CHECKOUT, Config, WebConfig
from betting.runtime.first_run import ADMIN
from betting.runtime.supervisor import Program
from streaming.core.key_variables import SIMULATOR_KEY_ENV
from streaming.runner.ports import LOOPBACK

_CELERY = (sys.executable, "-m", "betting.celery_process")

#: The most tasks that Flower remembers.
_FLOWER_TASKS = 10_000


def value_workers(config: Config) -> list[Program]:
    """Return the workers that turn changed markets into fair prices and edges."""
    processes = str(config.celery.value_processes)
    return [
        _worker(config, "worker-value", "coalesce,valuation", "--concurrency", processes),
        _worker(config, "worker-major", "major", "--concurrency", "1"),
    ]


def pollers(config: Config, simulator_key: str) -> list[Program]:
    """Return the workers that poll and deliver, and the beat that schedules their tasks."""
    environ = {SIMULATOR_KEY_ENV: simulator_key, **_simulator_port(config.web)}
    return [
        _io_worker(config, "worker-io", "poll", **environ),
        *deliverers(config),
        _program("beat", *_CELERY, "beat", "--loglevel", config.log.level),
    ]


def deliverers(config: Config) -> list[Program]:
    """Return the worker that delivers notifications: its own, so that a slow one delays no poll."""
    return [_io_worker(config, "worker-deliver", "deliver")]


def simulator(web: WebConfig, simulator_key: str, *options: str) -> Program:
    """Return the simulated provider, with further options of its command."""
    port = str(web.simulator_port)
    command = (sys.executable, str(CHECKOUT / "manage.py"), "simulate_provider")
    environ = {SIMULATOR_KEY_ENV: simulator_key}
    return _program("simulator", *command, "--host", LOOPBACK, "--port", port, *options, **environ)


def consoles(web: WebConfig, admin_password: str) -> list[Program]:
    """Return what people look at: the web server, and Flower behind the same login."""
    return [
        _program(
            "web", sys.executable, "-m", "betting.web.server",
            HARDLINE_WEB_HOST=web.host, HARDLINE_WEB_PORT=str(web.port),
            **_simulator_port(web),
        ),
        _program(
            "flower", sys.executable, "-m", "betting.web.guarded_flower",
            "--quiet", "-A", "betting.celery", "flower",
            f"--address={web.host}", f"--port={web.flower_port}", f"--max_tasks={_FLOWER_TASKS}",
            FLOWER_BASIC_AUTH=f"{ADMIN}:{admin_password}",
        ),
    ]  # fmt: skip


def _simulator_port(web: WebConfig) -> dict[str, str]:
    """Return the setting by which a process accepts the simulator, though it is on this machine."""
    return {"HARDLINE_WEB_SIMULATOR_PORT": str(web.simulator_port)}


def nodes(config: Config) -> list[str]:
    """Return the names of `value_workers` on the broker."""
    return [node_name(name, config.home) for name in ("worker-value", "worker-major")]


def node_name(name: str, home: Path) -> str:
    """Return a worker's name on the broker, which other checkouts and hosts may share.

    >>> node_name("worker-io", Path("/srv/hardline")).startswith("worker-io.e71d938c@")
    True
    """
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:8]
    return f"{name}.{digest}@{socket.gethostname()}"


def _io_worker(config: Config, name: str, queues: str, **environ: str) -> Program:
    threads = ("--pool", "threads", "--concurrency", str(config.celery.io_threads))
    return _worker(config, name, queues, *threads, **environ)


def _worker(config: Config, name: str, queues: str, *options: str, **environ: str) -> Program:
    return _program(
        name, *_CELERY, "worker", "--hostname", node_name(name, config.home), "--queues", queues,
        "--loglevel", config.log.level,
        # Gossip leaves queues behind that fill a Redis; mingling delays the start by a second.
        # Neither is used. Heartbeats are: Flower sees by them which workers live.
        "--without-gossip", "--without-mingle", *options, **environ,
    )  # fmt: skip


def _program(name: str, *command: str, **environ: str) -> Program:
    settings = {
        "DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"],
        # The checks read every page of the web server; `make check` and the tests run them.
        "CELERY_SKIP_CHECKS": "1",
    }
    return Program(name, command, CHECKOUT, {**settings, **environ})
