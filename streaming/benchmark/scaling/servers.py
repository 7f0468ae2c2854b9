"""A PostgreSQL and a Redis that take TLS alone, as machines that share them use them."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

from betting.runtime.embedded.account import run, server_account
from streaming.benchmark.isolation import MARK, PREFIX
from streaming.benchmark.scaling.certificates import make_certificates
from streaming.benchmark.waiting import BenchmarkError, wait_until
from streaming.runner.ports import free_port

USER, DATABASE = "hardline", f"{PREFIX}scaling"
_DEBIAN = Path("/usr/lib/postgresql")
_START_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Servers:
    """The addresses and processes of the servers.

    Attributes:
        database_url, redis_url: with passwords, and the authority that vouches for the servers.
        pids: server → its process.
    """

    database_url: str
    redis_url: str
    pids: Mapping[str, int]


def missing() -> list[str]:
    """Return what this machine lacks to run the servers."""
    lacks = [] if _postgres_programs() else ["PostgreSQL with its extensions (postgresql)"]
    for program, package in (("redis-server", "redis-server"), ("openssl", "openssl")):
        if shutil.which(program) is None:
            lacks.append(f"{program} ({package})")
    return lacks


@contextmanager
def tls_servers(directory: Path) -> Iterator[Servers]:
    """Run both, empty, while the block runs.

    Those of the wheels speak no TLS, and have no pg_stat_statements, so they are the system's.

    Args:
        directory: where their data go; PostgreSQL's own account has to reach it.

    Raises:
        BenchmarkError: a program is missing, or does not start.
    """
    if lacks := missing():
        raise BenchmarkError(f"This machine lacks (Debian's packages): {', '.join(lacks)}.")
    authority, certificate, key = make_certificates(directory, "servers")
    for path in (authority, certificate):
        path.chmod(0o644)
    password = secrets.token_hex(12)
    with (
        _postgres(directory, certificate, key, password) as (port, postgres),
        _redis(directory, (authority, certificate, key), password) as (redis_port, redis_pid),
    ):
        verified = f"sslmode=verify-full&sslrootcert={authority}"
        address = f"{USER}:{password}@127.0.0.1"
        url = f"postgresql://{address}:{port}/postgres?{verified}"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}".encode())
        redis_url = f"rediss://:{password}@127.0.0.1:{redis_port}/0?ssl_ca_certs={authority}"
        with redis.Redis.from_url(redis_url) as client:
            client.set(MARK, DATABASE)
        yield Servers(
            f"postgresql://{address}:{port}/{DATABASE}?{verified}",
            redis_url,
            {"PostgreSQL": postgres, "Redis": redis_pid},
        )


def _postgres_programs() -> Path | None:
    """Return the folder of the newest PostgreSQL that Debian has installed."""
    found = [each for each in _DEBIAN.glob("*/bin") if (each / "initdb").exists()]
    return max(found, key=lambda each: float(each.parent.name), default=None)


@contextmanager
def _postgres(
    directory: Path, certificate: Path, key: Path, password: str
) -> Iterator[tuple[int, int]]:
    """Run it; yield its port and its process."""
    programs, account, port = _postgres_programs(), server_account(), free_port()
    assert programs is not None
    data, word = directory / "postgres", directory / "word"
    own_key = directory / "postgres.key"
    data.mkdir(mode=0o700)
    word.write_text(password)
    own_key.write_bytes(key.read_bytes())
    own_key.chmod(0o600)
    for path in (data, word, own_key):
        os.chown(path, account.uid, account.gid)
    made = run(
        [
            programs / "initdb", f"--pgdata={data}", f"--username={USER}", "--encoding=UTF8",
            "--auth=scram-sha-256", f"--pwfile={word}", "--locale=C", "--no-sync",
        ],
        account,
    )  # fmt: skip
    settings = (
        "listen_addresses=127.0.0.1", "unix_socket_directories=''", "ssl=on",
        f"ssl_cert_file={certificate}", f"ssl_key_file={own_key}", "max_connections=100",
        "shared_preload_libraries=pg_stat_statements",
    )  # fmt: skip
    options = " ".join([f"-p {port}", *(f"-c {each}" for each in settings)])
    control: list[str | Path] = [programs / "pg_ctl", f"--pgdata={data}", "--wait"]
    started = run([*control, f"--log={data}/log", f"--options={options}", "start"], account)
    if started.returncode != 0:
        raise BenchmarkError(f"PostgreSQL does not start: {made.stderr}{started.stdout}")
    try:
        yield port, int((data / "postmaster.pid").read_text().split()[0])
    finally:
        run([*control, "--mode=immediate", "stop"], account)


@contextmanager
def _redis(
    directory: Path, tls: tuple[Path, Path, Path], password: str
) -> Iterator[tuple[int, int]]:
    """Run it; yield its port and its process."""
    authority, certificate, key = map(str, tls)
    port = free_port()
    with (directory / "redis.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - a program of the system, by its path
            [
                str(shutil.which("redis-server")), "--bind", "127.0.0.1", "--port", "0",
                "--tls-port", str(port), "--tls-cert-file", certificate, "--tls-key-file", key,
                "--tls-ca-cert-file", authority, "--tls-auth-clients", "no", "--requirepass",
                password, "--save", "", "--dir", str(directory),
            ],
            stdout=log,
            stderr=log,
        )  # fmt: skip
        url = f"rediss://:{password}@127.0.0.1:{port}/0?ssl_ca_certs={authority}"
        try:
            wait_until(lambda: _answers(url), "Redis", _START_SECONDS)
            yield port, process.pid
        finally:
            process.terminate()
            process.wait()


def _answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
