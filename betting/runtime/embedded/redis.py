"""The private Redis server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil
from redis import Redis as Client
from redis.exceptions import RedisError

from betting.runtime.embedded import process
from betting.runtime.embedded.account import run
from betting.runtime.embedded.errors import EmbeddedError
from betting.runtime.embedded.programs import REDIS_NAMES, redis_server
from betting.runtime.embedded.state import State

START_SECONDS = 30.0
STOP_SECONDS = 30.0
CONNECT_SECONDS = 3.0

SETTINGS = {
    "port": "0",  # the Unix socket alone
    "unixsocketperm": "700",
    "daemonize": "yes",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",  # the append-only file is enough
    "maxmemory": "512mb",
    # A full broker must refuse a message, which is noticed, and not drop one, which is not.
    "maxmemory-policy": "noeviction",
    "loglevel": "warning",
}


@dataclass(frozen=True, slots=True)
class Redis:
    """Valkey from its wheel, or the configured server, listening on a Unix socket alone.

    Attributes:
        state: where it keeps its data.
        program: the configured server; None for the wheel's.
    """

    state: State
    program: str | None = None

    @property
    def name(self) -> str:
        """The server's name for people."""
        return "Redis"

    @property
    def address(self) -> Path:
        """The server's socket."""
        return self.state.redis_socket

    def process(self) -> psutil.Process | None:
        """Return the server's process, or None if it does not run."""
        pid = process.pid_in_file(self._pid_file)
        candidates = (process.serving(pid, name, self.state.redis_data) for name in self._names)
        return next(filter(None, candidates), None)

    def answers(self) -> bool:
        """Return True if the server answers now; it does not while it loads its file."""
        if not self.address.is_socket():
            return False
        client = Client(unix_socket_path=str(self.address), socket_timeout=CONNECT_SECONDS)
        try:
            return bool(client.ping())
        except RedisError:
            return False
        finally:
            client.close()

    def start(self) -> None:
        """Start the server unless it runs. The caller holds the lock.

        Raises:
            EmbeddedError: it does not answer; the message names its log.
        """
        self.state.redis_data.mkdir(mode=0o700, exist_ok=True)
        if self.process() is not None and not self._socket_works():
            self.stop()
        if self.process() is None:
            # A server whose start was interrupted before it wrote its pid file may still run, and
            # would write to the same data.
            self._end_all()
            self._launch()

    def stop(self) -> None:
        """Stop the server if it runs; it writes its data to disk first."""
        self._end_all()
        self._pid_file.unlink(missing_ok=True)

    @property
    def _names(self) -> set[str]:
        """The names that its process may have: it may be of an earlier configured program."""
        configured = {Path(self.program).name} if self.program else set()
        return {*REDIS_NAMES, *configured}

    @property
    def _pid_file(self) -> Path:
        return self.state.redis_data / "redis.pid"

    @property
    def _log(self) -> Path:
        return self.state.redis_data / "redis.log"

    def _end_all(self) -> None:
        process.end(
            [
                server
                for name in self._names
                for server in process.all_serving(name, self.state.redis_data)
            ],
            patience_seconds=STOP_SECONDS,
        )

    def _socket_works(self) -> bool:
        """Return True if a running server can be reached; stop waiting if its process ends."""
        return (
            self.address.is_socket()
            and process.wait_until(lambda: self.answers() or self.process() is None, START_SECONDS)
            and self.process() is not None
        )

    def _launch(self) -> None:
        settings = SETTINGS | {
            "dir": str(self.state.redis_data),
            "logfile": str(self._log),
            "pidfile": str(self._pid_file),
            "unixsocket": str(self.address),
        }
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        done = run([redis_server(self.program), *options])
        if done.returncode != 0 or not process.wait_until(self.answers, START_SECONDS):
            raise EmbeddedError(
                f"Redis did not start; its log is {self._log}. It said:\n{done.stdout.strip()}"
            )
