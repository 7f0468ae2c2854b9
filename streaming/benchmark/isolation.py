"""A database and a Redis of a benchmark's own, on the servers that are there, and their end."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import psycopg
from psycopg import sql

from betting.config import Config
from betting.config.sentinel_url import is_sentinel_url
from betting.config.servers import only_servers
from betting.runtime.embedded import direct_settings, redis_url, status, used
from betting.runtime.embedded.process import wait_until
from betting.runtime.redis_clients import make_client
from betting.runtime.supervisor import single_instance
from streaming.benchmark.waiting import BenchmarkError

PREFIX = "hardline_benchmark_"
MARK = "hardline:benchmark"
"""The key in a Redis database that says whose it is."""
REMOVE_SECONDS = 10.0
"""Within this time programs end whose supervisor was killed."""
_HIGHEST = 15
"""Of the sixteen databases that a Redis has by default, the last ones are the least used."""
_CONNECT_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Isolation:
    """Where a benchmark may write.

    Attributes:
        home: the state directory of its processes, with their logs.
        environ: the variables that lead a process there.
        servers: process ids of PostgreSQL and Redis, where they run on this machine as ours.
    """

    home: Path
    environ: Mapping[str, str]
    servers: tuple[int, ...]


@contextmanager
def isolated(config: Config) -> Iterator[Isolation]:
    """Make a database and take a Redis database of its own, and remove both at the end.

    What a benchmark has left that was killed is removed at the beginning of the next one.

    Args:
        config: the configuration, of a prepared state directory.

    Raises:
        AlreadyRunningError: a benchmark of this state directory is running.
        EmbeddedError: a private server does not start.
        BenchmarkError: no database of Redis is free.
        psycopg.Error, redis.RedisError: a server is away, or does not allow it.
    """
    name = database_name(config.home)
    home = config.home / "benchmark" / "work"
    with single_instance(config.home / "benchmark.lock"), used(config):
        _recreate(config, name)
        try:
            with _own_redis(config, name) as number:
                _remove(home)
                servers = only_servers(
                    DATABASE_URL=database_url(direct_settings(config), name),
                    REDIS_URL=with_database(redis_url(config), number),
                )
                environ = {"HARDLINE_HOME": str(home), **servers}
                pids = tuple(server.pid for server in status(config) if server.pid)
                with _kept_if_it_fails(home):
                    yield Isolation(home, environ, pids)
        finally:
            _drop(config, name)


def is_isolated(config: Config) -> bool:
    """Return True where the servers hold nothing but a benchmark: in what `isolated` starts."""
    name = str(direct_settings(config)["NAME"])
    with make_client(redis_url(config)) as client:
        return name.startswith(PREFIX) and client.get(MARK) == name.encode()


@contextmanager
def _kept_if_it_fails(home: Path) -> Iterator[None]:
    """Remove the state directory at the end, unless its logs say what went wrong."""
    try:
        yield
    except BenchmarkError:
        raise
    except BaseException:
        _remove(home)
        raise
    _remove(home)


def _remove(home: Path) -> None:
    """Remove a state directory, in which programs may still write that are about to end."""

    def is_gone() -> bool:
        shutil.rmtree(home, ignore_errors=True)
        return not home.exists()

    wait_until(is_gone, REMOVE_SECONDS)


def database_name(home: Path) -> str:
    """Return the name of a state directory's benchmark database.

    >>> database_name(Path("/srv/hardline"))
    'hardline_benchmark_e71d938c'
    """
    return f"{PREFIX}{hashlib.sha256(os.fsencode(home)).hexdigest()[:8]}"


def database_url(settings: Mapping[str, Any], name: str) -> str:
    """Return the URL of another database of the same server.

    >>> database_url({"HOST": "/run/pg", "USER": "ana", "PORT": "5432", "NAME": "odds"}, "other")
    'postgresql://ana@%2Frun%2Fpg:5432/other'
    >>> known = {"HOST": "db", "USER": "ana", "PASSWORD": "p@ss", "PORT": "", "NAME": "odds"}
    >>> database_url({**known, "OPTIONS": {"sslmode": "require"}}, "other")
    'postgresql://ana:p%40ss@db/other?sslmode=require'
    """
    user = quote(settings["USER"], safe="")
    password = quote(settings.get("PASSWORD", ""), safe="")
    host = quote(settings["HOST"], safe="")
    port = settings.get("PORT", "")
    account = f"{user}:{password}" if password else user
    options = urlencode(settings.get("OPTIONS", {}))
    return (
        f"postgresql://{account}{'@' if account else ''}{host}{':' if port else ''}{port}/{name}"
        f"{'?' if options else ''}{options}"
    )


def with_database(url: str, number: int) -> str:
    """Return the URL of another database of the same Redis.

    >>> with_database("unix:///run/redis.sock?db=0", 15)
    'unix:///run/redis.sock?db=15'
    >>> with_database("redis://:secret@cache.example:6379/0", 15)
    'redis://:secret@cache.example:6379/15'
    >>> with_database("redis+sentinel://a.example,b.example/odds/0", 15)
    'redis+sentinel://a.example,b.example/odds/15'
    """
    parts = urlsplit(url)
    if is_sentinel_url(url):
        return parts._replace(path=f"/{parts.path.split('/')[1]}/{number}").geturl()
    if parts.scheme == "unix":
        return f"unix://{parts.netloc}{parts.path}?db={number}"
    return parts._replace(path=f"/{number}").geturl()


@contextmanager
def _own_redis(config: Config, owner: str) -> Iterator[int]:
    """Take the last database that is empty, or that an earlier benchmark has left."""
    url = redis_url(config)
    with make_client(url) as configured:
        own = int(configured.get_connection_kwargs().get("db") or 0)
    for number in range(_HIGHEST, 0, -1):
        with make_client(with_database(url, number)) as client:
            # Of two benchmarks that find it empty, one gets it.
            is_taken = number != own and (
                client.get(MARK) == owner.encode()
                or (client.dbsize() == 0 and client.set(MARK, owner, nx=True))
            )
            if not is_taken:
                continue
            client.flushdb()
            client.set(MARK, owner)
            try:
                yield number
            finally:
                client.flushdb()
            return
    raise BenchmarkError(f"Each of the databases 1 to {_HIGHEST} of Redis has keys of others.")


def _recreate(config: Config, name: str) -> None:
    _drop(config, name)
    with _connection(config) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))
        )


def _drop(config: Config, name: str) -> None:
    with _connection(config) as connection:
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        connection.execute(statement.format(sql.Identifier(name)))


def _connection(config: Config) -> psycopg.Connection:
    settings = direct_settings(config)
    return psycopg.connect(
        database_url(settings, settings["NAME"]),
        autocommit=True,
        connect_timeout=_CONNECT_SECONDS,
    )
