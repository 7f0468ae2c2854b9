"""The set-up and the end of every run: its lock, its servers, its tables, its processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from betting.config import Config
from betting.runtime.embedded import used
from betting.runtime.embedded.state import prepare_home
from betting.runtime.first_run import ADMIN, Login, ensure_admin, migrate
from betting.runtime.supervisor import (
    Program,
    SupervisionPolicy,
    Supervisor,
    end_leftovers,
    single_instance,
)
from streaming.runner.background import end_helpers
from streaming.runner.interrupts import Interrupts
from streaming.runner.ports import require_free
from streaming.runner.terminal import Terminal


@contextmanager
def set_up(config: Config, ports: Iterable[tuple[str, int]]) -> Iterator[Login]:
    """Hold the checkout's lock for a run, with servers, tables and a login.

    Args:
        config: the configuration.
        ports: host and port of everything that will listen.

    Raises:
        AlreadyRunningError: this checkout has a run already.
        PortError: a port is not free.
        EmbeddedError: a private server does not start.
    """
    prepare_home(config.home)
    with single_instance(config.home / "run.lock"):
        end_leftovers(logs_of(config), SupervisionPolicy().stop_seconds)  # they may hold the ports
        for host, port in ports:
            require_free(host, port)
        with used(config):
            migrate()
            yield ensure_admin(config.home)


@contextmanager
def supervised(
    stages: Sequence[Sequence[Program]],
    config: Config,
    interrupts: Interrupts,
    terminal: Terminal,
    policy: SupervisionPolicy | None = None,
) -> Iterator[Supervisor]:
    """Run processes while the block runs; a second Ctrl-C at its end hurries it."""
    logs = logs_of(config)
    names = ", ".join(program.name for stage in stages for program in stage)
    terminal.say(f"Starting {names}; logs in {logs}")
    supervisor = Supervisor(stages, logs, policy)
    try:
        supervisor.start()
        yield supervisor
    finally:
        terminal.say("Stopping the processes")
        killed = supervisor.stop(lambda: interrupts.is_hurried)
        end_helpers()
        if killed:
            terminal.say(f"Killed processes that did not stop: {', '.join(killed)}")


def logs_of(config: Config) -> Path:
    """Return the directory of a run's logs."""
    return config.home / "logs"


def where_to_look(
    config: Config, login: Login, *, is_terminal: bool, with_simulator: bool = False
) -> str:
    """Return the addresses, and how to log in.

    A new password is shown on a terminal alone: other output is kept, and may be read by others.
    """
    host = config.web.host
    if login.is_new and is_terminal:
        by = f"password {login.password}"
    elif login.is_new or login.is_current:
        by = f"its password is in {login.file}"
    else:
        by = (
            f"a password other than Flower's, which is in {login.file}; `manage.py changepassword"
            f" {ADMIN}` sets a new one"
        )
    lines = [
        f"  Board      http://{host}:{config.web.port}/",
        f"  Admin      http://{host}:{config.web.port}/admin/",
        f"  Flower     http://{host}:{config.web.flower_port}/",
        f"  Log in as  {ADMIN}, {by}",
    ]
    if with_simulator:
        lines.append(f"  Simulator  {config.web.simulator_url}/v4/sports")
    return "\n".join(("Where to look, until Ctrl-C stops it all:", *lines))
