"""The table of processes; docs/architecture.md says what each is for.

`manage.py run` supervises all of them on one machine; `manage.py role` becomes one of them, in a
container or under systemd. So the queues and the pool of each are here only.
"""

from __future__ import annotations

import hashlib
import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from betting.config import CHECKOUT, Config
from betting.runtime.first_run import ADMIN
from betting.runtime.supervisor import Program
from streaming.core.key_variables import SIMULATOR_KEY_ENV
from streaming.runner.ports import LOOPBACK

FLOWER_LOGIN_ENV = "FLOWER_BASIC_AUTH"

_CELERY = (sys.executable, "-m", "betting.celery_process")

#: The most tasks that Flower remembers.
_FLOWER_TASKS = 10_000


def value_workers(config: Config) -> list[Program]:
    """Return the workers that turn changed markets into fair prices and edges."""
    return [_worker_value(config), _worker_major(config)]


def pollers(config: Config, simulator_key: str) -> list[Program]:
    """Return the workers that poll and deliver, and the beat that schedules their tasks."""
    return [
        _with(_worker_io(config), SIMULATOR_KEY_ENV, simulator_key),
        *deliverers(config),
        _beat(config),
    ]


def deliverers(config: Config) -> list[Program]:
    """Return the worker that delivers notifications: its own, so that a slow one delays no poll."""
    return [_worker_deliver(config)]


def simulator(config: Config, simulator_key: str, *options: str) -> Program:
    """Return the simulated provider, with further options of its command."""
    program = _with(_simulator(config), SIMULATOR_KEY_ENV, simulator_key)
    return replace(program, command=(*program.command, *options))


def consoles(config: Config, admin_password: str) -> list[Program]:
    """Return what people look at: the web server, and Flower behind the same login."""
    login = flower_login(admin_password)
    return [_web(config), _with(_flower(config), FLOWER_LOGIN_ENV, login)]


def flower_login(admin_password: str) -> str:
    """Return Flower's login, which is the administrator's."""
    return f"{ADMIN}:{admin_password}"


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


def _worker_value(config: Config) -> Program:
    processes = str(config.celery.value_processes)
    return _worker(config, "worker-value", "coalesce,valuation", "--concurrency", processes)


def _worker_major(config: Config) -> Program:
    return _worker(config, "worker-major", "major", "--concurrency", "1")


def _worker_io(config: Config) -> Program:
    return _io_worker(config, "worker-io", "poll", **_simulator_port(config))


def _worker_deliver(config: Config) -> Program:
    return _io_worker(config, "worker-deliver", "deliver")


def _beat(config: Config) -> Program:
    return _program("beat", *_CELERY, "beat", "--loglevel", config.log.level)


def _web(config: Config) -> Program:
    return _program(
        "web", sys.executable, "-m", "betting.web.server",
        HARDLINE_WEB_HOST=config.web.host, HARDLINE_WEB_PORT=str(config.web.port),
        **_simulator_port(config),
    )  # fmt: skip


def _flower(config: Config) -> Program:
    return _program(
        "flower", sys.executable, "-m", "betting.web.guarded_flower",
        "--quiet", "-A", "betting.celery", "flower",
        f"--address={config.web.host}", f"--port={config.web.flower_port}",
        f"--max_tasks={_FLOWER_TASKS}",
    )  # fmt: skip


def _simulator(config: Config) -> Program:
    command = (sys.executable, str(CHECKOUT / "manage.py"), "simulate_provider")
    port = str(config.web.simulator_port)
    return _program("simulator", *command, "--host", LOOPBACK, "--port", port)


ROLES: Mapping[str, Callable[[Config], Program]] = {
    "web": _web,
    "worker-io": _worker_io,
    "worker-value": _worker_value,
    "worker-major": _worker_major,
    "worker-deliver": _worker_deliver,
    "beat": _beat,
    "flower": _flower,
    "simulator": _simulator,
}
"""The name of each process → its program, without the secrets in its environment."""


def _simulator_port(config: Config) -> dict[str, str]:
    """Return the setting by which a process accepts the simulator, though it is on this machine."""
    return {"HARDLINE_WEB_SIMULATOR_PORT": str(config.web.simulator_port)}


def _with(program: Program, name: str, value: str) -> Program:
    """Return the program with one more variable in its environment."""
    return replace(program, environ={**program.environ, name: value})


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
