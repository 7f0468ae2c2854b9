"""The check, within seconds, that the servers named by the configuration can be used."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import psycopg
from amqp.exceptions import AMQPError
from kombu import Connection
from redis.exceptions import RedisError

from betting.config import Config
from betting.runtime.embedded.errors import EmbeddedError
from betting.runtime.embedded.urls import libpq_parameters, parse_database_url
from betting.runtime.redis_clients import make_client

TOTAL_SECONDS = 4.0
"""The time limit for all servers, which are asked at once."""

_CONNECT_SECONDS = 3
_POOLER = "a pooler in transaction mode, which DATABASE_SESSION_URL has to lead past, is there"
_NO_ANSWER = f"no answer within {TOTAL_SECONDS:g} s"


def require_reachable(config: Config) -> None:
    """Connect to each server that the configuration names.

    Raises:
        EmbeddedError: one of them cannot be used; the message names the variable, the server
            and the reason, and holds no password.
    """
    past_pooler = config.database_session_url
    servers = (
        (
            "DATABASE_URL",
            "PostgreSQL",
            config.database_url,
            _ask_pooler if past_pooler else _ask_session,
        ),
        ("DATABASE_SESSION_URL", "PostgreSQL", past_pooler, _ask_session),
        ("REDIS_URL", "Redis", config.redis_url, _ask_redis),
        ("BROKER_URL", "RabbitMQ", config.broker_url, _ask_rabbitmq),
    )
    attempts = [_Attempt(name, server, url, ask) for name, server, url, ask in servers if url]
    deadline = time.monotonic() + TOTAL_SECONDS
    for attempt in attempts:
        attempt.start()
    for attempt in attempts:
        attempt.join(max(deadline - time.monotonic(), 0))
    problems = [attempt.sentence() for attempt in attempts if attempt.problem]
    if problems:
        raise EmbeddedError("\n".join(problems))


class _Attempt(threading.Thread):
    """One connection attempt in a thread: the timeouts do not cover a name lookup that hangs."""

    def __init__(self, variable: str, server: str, url: str, ask: Callable[[str], None]) -> None:
        super().__init__(name=f"reach {server}", daemon=True)
        self._variable = variable
        self._server = server
        self._url = url
        self._ask = ask
        self.problem = _NO_ANSWER

    def run(self) -> None:
        try:
            self._ask(self._url)
        except (psycopg.Error, RedisError, AMQPError, OSError, ValueError, TypeError) as error:
            # redis-py raises TypeError for an option of the URL that it does not know.
            first, *_ = str(error).splitlines() or [type(error).__name__]
            self.problem = first
        else:
            self.problem = ""

    def sentence(self) -> str:
        """Describe the problem to the person who set the variable."""
        return (
            f"{self._server} at {_place(self._url)} cannot be used: {self.problem.rstrip('.')}."
            f" Start it, or correct {self._variable}."
        )


def _ask_pooler(url: str) -> None:
    with _connected(url) as connection:
        connection.execute("SELECT 1")


def _ask_session(url: str) -> None:
    """Verify that a session has what its connection asked for: a pooler passes it on to none."""
    try:
        with _connected(url, "-c idle_session_timeout=54321s") as connection:
            found = connection.execute("SHOW idle_session_timeout").fetchone()
    except psycopg.OperationalError as error:
        if "startup parameter" in str(error):  # in the words of PgBouncer
            raise ValueError(_POOLER) from error
        raise
    if found != ("54321s",):
        raise ValueError(_POOLER)


def _connected(url: str, options: str = "") -> psycopg.Connection[tuple[object, ...]]:
    # Connect with the parts, as Django does: given a URL, libpq quotes a password that holds a
    # stray per cent sign in its error message.
    asked: dict[str, Any] = {
        **libpq_parameters(parse_database_url(url)),
        "connect_timeout": _CONNECT_SECONDS,
    }
    if options:
        asked["options"] = f"{asked.get('options', '')} {options}"
    return psycopg.connect(**asked)


def _ask_redis(url: str) -> None:
    client = make_client(
        url, socket_connect_timeout=_CONNECT_SECONDS, socket_timeout=_CONNECT_SECONDS
    )
    try:
        client.ping()
    finally:
        client.close()


def _ask_rabbitmq(url: str) -> None:
    with Connection(url, connect_timeout=_CONNECT_SECONDS) as connection:
        connection.connect()


def _place(url: str) -> str:
    """Return the URL's address without the login and the options.

    >>> _place("postgresql://ana:secret@db.example:5433/odds?sslmode=require")
    'db.example:5433/odds'
    >>> _place("unix:///run/redis.sock?db=2")
    '/run/redis.sock'
    """
    parts = urlsplit(url)
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}"
