"""Start, stop and status of the private servers that the configuration asks for."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from betting.config import Config
from betting.runtime.embedded import state as states
from betting.runtime.embedded import users
from betting.runtime.embedded.account import server_account
from betting.runtime.embedded.postgres import Postgres
from betting.runtime.embedded.reachable import require_reachable
from betting.runtime.embedded.redis import Redis
from betting.runtime.embedded.state import State

Service = Postgres | Redis


@dataclass(frozen=True, slots=True)
class Status:
    """The state of one server.

    Attributes:
        name: ``PostgreSQL`` or ``Redis``.
        is_external: an external server is configured; whether it runs is not checked.
        is_running: our server runs and answers.
        pid: our server's process, if there is one.
        address: our server's socket, or the variable that names the other server.
    """

    name: str
    is_external: bool
    is_running: bool
    pid: int | None
    address: str


def ensure_running(config: Config) -> None:
    """Start the private servers that do not answer, and check that external ones can be reached.

    Safe to call from many processes at once, and cheap if nothing has to be done: one
    connection to each server. Servers that are started while nobody uses them are kept until
    `stop`.

    Raises:
        EmbeddedError: a server cannot be started, or the one that the configuration names
            cannot be reached.
    """
    require_reachable(config)
    state = states.state_of(config)
    services = _services(config, state)
    if all(_is_running(service) for service in services):
        return
    states.prepare_home(state.home)
    with states.exclusive(state):
        states.prepare_runtime(state, server_account())
        for service in services:
            if not _is_running(service):
                service.start()
        if services and not users.any_of(state):
            users.keep(state)


def start(config: Config) -> None:
    """Start the private servers that do not answer, and keep them until `stop`.

    Raises:
        EmbeddedError: as `ensure_running` does.
    """
    with _counted_as_user(config) as state:
        ensure_running(config)
        users.keep(state)


@contextlib.contextmanager
def used(config: Config) -> Iterator[None]:
    """Run the private servers while the block runs; its last user stops them, unless they are kept.

    The kernel ends the use of a process that was killed, so that the next user stops what it left.

    Raises:
        EmbeddedError: as `ensure_running` does.
    """
    state = states.state_of(config)
    try:
        with _counted_as_user(config):
            ensure_running(config)
            yield
    finally:
        if state.home.is_dir():
            with states.exclusive(state):
                if not users.is_kept(state) and not users.any_of(state):
                    _stop_all(config, state)


def restart_dead(config: Config) -> list[str]:
    """Start the private servers again whose process has ended; return their names.

    One that runs and does not answer is left to itself. Without a user of the servers nothing is
    started: the last one is stopping them.

    Raises:
        EmbeddedError: a server does not start.
    """
    state = states.state_of(config)
    services = _services(config, state)
    if all(service.process() is not None for service in services):
        return []
    with states.usable(state.home), states.exclusive(state):
        if not users.any_of(state):
            return []
        states.prepare_runtime(state, server_account())
        dead = [service for service in services if service.process() is None]
        for service in dead:
            service.start()
        return [service.name for service in dead]


@contextlib.contextmanager
def _counted_as_user(config: Config) -> Iterator[State]:
    """Count as a user while the block runs, from when nobody is stopping the servers."""
    states.prepare_home(config.home)
    state = states.state_of(config)
    with contextlib.ExitStack() as use:
        with states.exclusive(state):
            use.enter_context(users.one_more(state))
        yield state


def stop(config: Config) -> None:
    """Stop the private servers; their data stays on disk."""
    state = states.state_of(config)
    if state.home.is_dir():
        with states.exclusive(state):
            _stop_all(config, state)


def remove_state(config: Config) -> list[Path]:
    """Stop the private servers and delete their data; return the deleted directories."""
    state = states.state_of(config)
    if not (state.home / states.MARKER).is_file():
        return []
    with states.exclusive(state):
        _stop_all(config, state)
        return states.remove_state(state)


def status(config: Config) -> list[Status]:
    """Return the state of each server, without changing anything."""
    state = states.state_of(config)
    return [
        _status(Postgres(state), "DATABASE_URL" if config.database_url else None),
        _status(Redis(state, config.redis_server), "REDIS_URL" if config.redis_url else None),
    ]


def _services(config: Config, state: State) -> list[Service]:
    """Return the private servers that this configuration uses."""
    services: list[Service] = []
    if config.database_url is None:
        services.append(Postgres(state))
    if config.redis_url is None:
        services.append(Redis(state, config.redis_server))
    return services


def _is_running(service: Service) -> bool:
    """Return True if the server answers and is the one that serves this home.

    A server whose home was deleted while it ran may still answer.
    """
    return service.process() is not None and service.answers()


def _stop_all(config: Config, state: State) -> None:
    """Stop both servers: an earlier configuration may have started one that is unused now.

    The caller holds the lock.
    """
    users.keep_no_longer(state)
    Redis(state, config.redis_server).stop()
    Postgres(state).stop()
    shutil.rmtree(state.runtime, ignore_errors=True)


def _status(service: Service, external: str | None) -> Status:
    process = None if external else service.process()
    return Status(
        name=service.name,
        is_external=external is not None,
        is_running=process is not None and service.answers(),
        pid=process.pid if process else None,
        address=external or str(service.address),
    )
