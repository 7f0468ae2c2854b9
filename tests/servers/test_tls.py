"""PostgreSQL, through PgBouncer, and Redis over TLS, with certificates of one's own authority."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection
from kombu.exceptions import OperationalError

from betting.config import Config
from betting.runtime import broker
from betting.runtime.embedded import broker_url
from streaming.benchmark.scaling.certificates import make_certificates
from tests.servers.conftest import RECORDING, Site, assert_is_the_published_replay, require
from tests.servers.pooler import running_pgbouncer
from tests.support.tcp_servers import free_port, is_listening, wait_for

PASSWORD = "of-redis"


@pytest.fixture
def encrypted(site: Site, directory: Path) -> Iterator[Site]:
    """The site's PostgreSQL behind a PgBouncer that takes TLS alone, and a Redis that does so."""
    require("pgbouncer redis-server openssl", "pgbouncer", "redis-server", "openssl")
    ca, pem, key = make_certificates(directory, "servers")
    for path in (ca, pem):
        path.chmod(0o644)
    of_pooler = directory / "pooler.key"
    of_pooler.write_bytes(key.read_bytes())
    port = free_port()
    with (
        running_pgbouncer(
            site.postgres,
            directory,
            of_pooler,
            more=f"client_tls_sslmode = require\nclient_tls_key_file = {of_pooler}\n"
            f"client_tls_cert_file = {pem}",
        ) as pooler,
        (directory / "redis.log").open("wb") as log,
    ):
        redis = subprocess.Popen(
            [
                "redis-server", "--bind", "127.0.0.1", "--port", "0", "--tls-port", str(port),
                "--tls-cert-file", pem, "--tls-key-file", key, "--tls-ca-cert-file", ca,
                "--tls-auth-clients", "no", "--requirepass", PASSWORD, "--save", "",
                "--dir", directory,
            ],
            stdout=log,
            stderr=log,
        )  # fmt: skip
        try:
            wait_for(lambda: is_listening(port), "Redis")
            verified = f"sslmode=verify-full&sslrootcert={ca}"
            site.environ["DATABASE_URL"] = f"{pooler.database_url}?{verified}"
            site.environ["DATABASE_SESSION_URL"] = site.postgres.database_url
            site.environ["REDIS_URL"] = f"rediss://:{PASSWORD}@127.0.0.1:{port}/0?ssl_ca_certs={ca}"
            yield site
        finally:
            redis.kill()
            redis.wait()


def test_a_replay_over_tls_has_exact_counts(encrypted: Site) -> None:
    output = encrypted.do("run", "--feed", RECORDING, "--until-idle", "--json")

    assert_is_the_published_replay(encrypted, output)


def test_a_certificate_of_another_authority_is_refused(encrypted: Site, directory: Path) -> None:
    other, _, _ = make_certificates(directory, "others")
    for name in ("DATABASE_URL", "REDIS_URL"):
        url = encrypted.environ[name]
        encrypted.environ[name] = url.replace("servers-ca.pem", other.name)

    done = encrypted.manage("run", "--feed", RECORDING, "--until-idle", "--json")

    assert done.returncode != 0
    assert done.stderr.count("certificate verify failed") == 2


def test_celery_refuses_a_certificate_that_nobody_vouches_for(encrypted: Site) -> None:
    url = encrypted.environ["REDIS_URL"]

    assert_celery_connects(encrypted, url)
    with pytest.raises(OperationalError, match="certificate verify failed"):
        assert_celery_connects(encrypted, url.partition("?")[0])


def assert_celery_connects(site: Site, url: str) -> None:
    config = Config(site.home, redis_url=url)
    with Connection(broker_url(config), ssl=broker.tls_options(config) or False) as connection:
        channel: Any = connection.default_channel
        assert channel.client.ping()
