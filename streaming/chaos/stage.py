"""The stage of faults: the processes and servers that this run started, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil
import psycopg
from redis import Redis as Client

from betting.config import Config
from betting.runtime.embedded import database_settings, redis_url
from betting.runtime.embedded.postgres import Postgres
from betting.runtime.embedded.redis import Redis
from betting.runtime.embedded.state import State, state_of
from betting.runtime.supervisor import Program, Supervisor
from streaming.benchmark.isolation import database_url
from streaming.chaos import supervising
from streaming.chaos.feeds import Feeds
from streaming.chaos.receiver import Receiver

WORKERS = ("worker-io", "worker-value", "worker-major", "worker-deliver")
POOLED = ("worker-value", "worker-major")
"""The workers whose tasks run in processes of a pool."""

ANSWER_SECONDS = 2
"""The longest wait of a fault for a server: two faults may meet."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A run, as faults see it.

    Attributes:
        config: of the run, whose servers are private.
        outer: the supervisor of the processes' supervisor.
        programs: by their names.
        feeds: the providers.
        receiver: a subscriber to all notifications.
    """

    config: Config
    outer: Supervisor
    programs: Mapping[str, Program]
    feeds: Feeds
    receiver: Receiver

    @property
    def state(self) -> State:
        """The directories of its servers."""
        return state_of(self.config)

    def wrapper(self, name: str) -> list[psutil.Process]:
        """Return the process that a program runs under; none while it waits for its restart."""
        return _process(supervising.read_state(self.config).pids.get(name))

    def supervisor(self) -> list[psutil.Process]:
        """Return the supervisor of the processes."""
        wrapper = _process(self.outer.pids().get(supervising.NAME))
        return [child for each in wrapper for child in _children(each)]

    def starts(self) -> Counter[str]:
        """Return how often each program was started, the supervisor included."""
        programs = supervising.read_state(self.config).starts
        return Counter({**self.outer.starts(), **programs})

    def workers(self) -> frozenset[int]:
        """Return the process ids of the workers that run."""
        return frozenset(process.pid for name in WORKERS for process in self.main(name))

    def main(self, name: str) -> list[psutil.Process]:
        """Return the program's own process."""
        return [child for each in self.wrapper(name) for child in _children(each)]

    def pool(self, name: str) -> list[psutil.Process]:
        """Return the processes that it has started."""
        return [child for each in self.main(name) for child in _children(each)]

    def postgres(self) -> list[psutil.Process]:
        """Return PostgreSQL's main process, and those that serve sessions and the disk."""
        server = Postgres(self.state).process()
        return [server, *_children(server)] if server else []

    def redis(self) -> list[psutil.Process]:
        """Return Redis's process."""
        server = Redis(self.state, self.config.redis_server).process()
        return [server] if server else []

    def redis_client(self) -> Client:
        """Return a client that does not wait for long."""
        return Client.from_url(
            redis_url(self.config),
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
        )

    @contextmanager
    def session(self) -> Iterator[psycopg.Connection]:
        """Open a session of PostgreSQL's superuser."""
        settings = database_settings(self.config)
        with psycopg.connect(
            database_url(settings, settings["NAME"]),
            autocommit=True,
            connect_timeout=ANSWER_SECONDS,
            options=f"-c statement_timeout={ANSWER_SECONDS}s",
        ) as connection:
            yield connection


def kill(processes: Sequence[psutil.Process]) -> None:
    """End processes at once."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _process(pid: int | None) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return [psutil.Process(pid)] if pid else []
    return []


def _children(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return process.children()
    return []
