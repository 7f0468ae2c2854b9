from __future__ import annotations

from pathlib import Path

from kombu import Connection

from betting.config import Config
from betting.runtime.embedded import broker_url, database_settings, ensure_running, redis_url
from betting.runtime.embedded.state import State
from tests.betting.runtime.embedded.clients import redis_client


def test_the_private_database_is_reached_through_its_socket_directory(
    config: Config, state: State
) -> None:
    settings = database_settings(config)

    assert settings["ENGINE"] == "django.db.backends.postgresql"
    assert settings["HOST"] == str(state.postgres_sockets)
    assert "PASSWORD" not in settings


def test_a_database_url_becomes_djangos_settings() -> None:
    config = Config(
        Path("/srv/h"), database_url="postgres://ana:p%2Fw@[::1]:6432/odds?sslmode=require"
    )

    assert database_settings(config) == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "odds",
        "USER": "ana",
        "PASSWORD": "p/w",
        "HOST": "::1",
        "PORT": "6432",
        "OPTIONS": {"sslmode": "require"},
    }


def test_the_broker_url_and_the_redis_url_are_the_same_server(config: Config) -> None:
    ensure_running(config)
    with Connection(broker_url(config)) as connection:
        queue = connection.SimpleQueue("errands")
        queue.put("go")
        with redis_client(config) as client:
            assert client.llen("errands") == 1
        queue.close()


def test_a_configured_redis_is_passed_on_as_it_is() -> None:
    config = Config(Path("/srv/h"), redis_url="rediss://:pw@cache.local:6380/1")

    assert redis_url(config) == broker_url(config) == "rediss://:pw@cache.local:6380/1"
