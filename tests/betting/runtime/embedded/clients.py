"""What a user of the servers does: write, and read it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import psycopg
from redis import Redis

from betting.config import Config
from betting.runtime import embedded


def query(config: Config, statement: str) -> list[tuple[object, ...]]:
    """Run a statement in the configured database; its rows, if it returns any."""
    settings = embedded.database_settings(config)
    with psycopg.connect(
        host=settings["HOST"],
        port=settings["PORT"],
        user=settings["USER"],
        dbname=settings["NAME"],
        autocommit=True,
    ) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def database_url(settings: Mapping[str, Any]) -> str:
    """Django's settings of a database, as DATABASE_URL names it."""
    host, user = quote(settings["HOST"], safe=""), quote(settings["USER"], safe="")
    return f"postgresql://{user}@{host}:{settings['PORT']}/{settings['NAME']}"


def redis_client(config: Config) -> Redis:
    """A client of the configured Redis; use it in a `with` block."""
    return Redis.from_url(embedded.redis_url(config), decode_responses=True)


def write(config: Config) -> None:
    """Leave something in both servers."""
    query(config, "DROP TABLE IF EXISTS kept")
    query(config, "CREATE TABLE kept AS SELECT 42 AS value")
    with redis_client(config) as client:
        client.set("kept", "42")


def assert_kept(config: Config) -> None:
    """Find in both servers what `write` left."""
    assert query(config, "SELECT value FROM kept") == [(42,)]
    with redis_client(config) as client:
        assert client.get("kept") == "42"


def are_running(config: Config) -> list[bool]:
    return [server.is_running for server in embedded.status(config)]


def pids(config: Config) -> list[int | None]:
    """The servers' processes."""
    return [server.pid for server in embedded.status(config)]
