"""PostgreSQL and Valkey out of Hardline's wheels, over TCP on the loopback and with passwords."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from redis import Redis
from redis.exceptions import RedisError

from betting.runtime.embedded.account import run, server_account
from betting.runtime.embedded.programs import postgres_programs, redis_server

USER, DATABASE = "hardline", "odds"
START_SECONDS = 20.0


class ServerError(Exception):
    """A server does not start."""


@dataclass(frozen=True)
class TcpServer:
    """A server on the loopback.

    Attributes:
        port: its port.
        password: of its only user.
    """

    port: int
    password: str

    @property
    def database_url(self) -> str:
        """The address of PostgreSQL's database."""
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def redis_url(self) -> str:
        """The address of Valkey's first database."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    """Return True if somebody listens on a port."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def wait_for(condition: Callable[[], object], what: str, seconds: float = START_SECONDS) -> None:
    """Wait for a server.

    Raises:
        ServerError: it has not come in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ServerError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.1)


@contextmanager
def tcp_postgres(directory: Path, *settings: str) -> Iterator[TcpServer]:
    """Run a PostgreSQL with an empty database.

    Args:
        directory: where its data go; PostgreSQL's own account has to reach it.
        settings: of the server, such as `timezone=UTC`.
    """
    account, server = server_account(), _new_server()
    data, word = directory / "postgres", directory / "word"
    data.mkdir()
    word.write_text(server.password)
    for path in (data, word):
        os.chown(path, account.uid, account.gid)
    programs = postgres_programs()
    made = run(
        [
            str(programs / "initdb"), f"--pgdata={data}", f"--username={USER}", "--encoding=UTF8",
            "--auth=scram-sha-256", f"--pwfile={word}", "--locale=C", "--no-sync",
        ],
        account,
    )  # fmt: skip
    if made.returncode != 0:
        raise ServerError(f"PostgreSQL: {made.stderr}")
    with _running_postgres(data, server, *settings):
        url = server.database_url.replace(f"/{DATABASE}", "/postgres")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")
        yield server


@contextmanager
def tcp_standby(directory: Path, primary: TcpServer) -> Iterator[TcpServer]:
    """Run a standby that replays what a PostgreSQL commits.

    Args:
        directory: where its data go; PostgreSQL's own account has to reach it.
        primary: runs already; its password is the standby's.
    """
    account, server = server_account(), TcpServer(free_port(), primary.password)
    data = directory / "standby"
    data.mkdir(mode=0o700)
    os.chown(data, account.uid, account.gid)
    copied = run(
        [
            str(postgres_programs() / "pg_basebackup"), f"--pgdata={data}", "--write-recovery-conf",
            "--checkpoint=fast", "--no-sync", f"--dbname={primary.database_url}",
        ],
        account,
    )  # fmt: skip
    if copied.returncode != 0:
        raise ServerError(f"pg_basebackup: {copied.stderr}")
    with _running_postgres(data, server):
        yield server


@contextmanager
def _running_postgres(data: Path, server: TcpServer, *settings: str) -> Iterator[None]:
    account = server_account()
    fixed = ("listen_addresses=127.0.0.1", "unix_socket_directories=''", "fsync=off")
    options = " ".join([f"-p {server.port}", *(f"-c {each}" for each in (*fixed, *settings))])
    control = [str(postgres_programs() / "pg_ctl"), f"--pgdata={data}", "--wait"]
    started = run([*control, f"--log={data}/log", f"--options={options}", "start"], account)
    if started.returncode != 0:
        raise ServerError(f"PostgreSQL: {started.stdout}{started.stderr}")
    try:
        yield
    finally:
        run([*control, "--mode=immediate", "stop"], account)


@contextmanager
def tcp_valkey(directory: Path) -> Iterator[TcpServer]:
    """Run a Valkey that keeps nothing on disk."""
    server = _new_server()
    process = subprocess.Popen(
        [
            str(redis_server(None)), "--bind", "127.0.0.1", "--port", str(server.port), "--save",
            "", "--requirepass", server.password, "--dir", str(directory),
        ],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(lambda: is_answering(server.redis_url), "Valkey")
        yield server
    finally:
        process.terminate()
        process.wait()


def is_answering(url: str) -> bool:
    """Return True if a Valkey answers."""
    try:
        with Redis.from_url(url) as client:
            return bool(client.ping())
    except RedisError:
        return False


def _new_server() -> TcpServer:
    return TcpServer(free_port(), secrets.token_hex(12))
