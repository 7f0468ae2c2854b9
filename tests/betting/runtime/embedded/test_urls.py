from __future__ import annotations

from pathlib import Path

import pytest
from kombu import Connection

from betting.config import Config
from betting.runtime import broker
from betting.runtime.embedded import (
    broker_url,
    database_settings,
    ensure_running,
    redis_url,
)
from betting.runtime.embedded.state import State
from betting.runtime.redis_clients import SentinelPool, make_client
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


SENTINELS = "rediss+sentinel://:p%40ss@a.local,b.local:26380/odds/2?sentinel_password=s3"
TLS = {"ssl_cert_reqs": "required"}


def test_an_address_of_sentinels_leads_the_broker_to_each_of_them() -> None:
    config = Config(Path("/srv/h"), redis_url=f"{SENTINELS}&ssl_ca_certs=/ca.pem")
    options = broker.transport_options(config)
    with Connection(broker_url(config), transport_options=options) as connection:
        assert connection.alt == [
            "sentinel://:p%40ss@a.local:26379/2",
            "sentinel://:p%40ss@b.local:26380/2",
        ]
        assert connection.password == "p@ss"
    assert options["master_name"] == "odds"
    assert options["sentinel_kwargs"]["password"] == "s3"
    assert broker.tls_options(config) == TLS | {"ssl_ca_certs": "/ca.pem"}


def test_each_client_of_sentinels_asks_them_with_their_password_and_within_its_time() -> None:
    with make_client(SENTINELS, socket_timeout=3) as client:
        pool = client.connection_pool
        assert isinstance(pool, SentinelPool)
        assert pool.connection_kwargs["password"] == "p@ss"
        of_sentinel = pool.sentinel_manager.sentinels[0].connection_pool.connection_kwargs
        assert (of_sentinel["password"], of_sentinel["socket_timeout"]) == ("s3", 3)
        assert of_sentinel["ssl_cert_reqs"] == "required"


@pytest.mark.parametrize(
    ("url", "verified"),
    [
        ("redis://cache.local/0", None),
        ("rediss://cache.local/0", TLS),
        ("redis+sentinel://a.local/odds/0", None),
        (SENTINELS, TLS),
    ],
)
def test_the_brokers_certificate_is_verified(url: str, verified: dict[str, str] | None) -> None:
    assert broker.tls_options(Config(Path("/srv/h"), redis_url=url)) == verified
