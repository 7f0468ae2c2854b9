"""The undisturbed reading: the providers' final answers, read once into an empty database.

`read_undisturbed` makes the database and starts this module in a process of its own, which asks the
frozen providers over HTTP, ingests each answer and values every market, one after the other, by the
same services as the stream. Run as ``python -m streaming.chaos.oracle BASE_URLS``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

import django
import django.db
import msgspec
import psycopg
from psycopg import sql
from redis import Redis

from betting.config import CHECKOUT, Config
from betting.config.servers import only_servers
from betting.runtime.embedded import database_settings, redis_url
from betting.runtime.first_run import migrate
from streaming.benchmark.isolation import database_url, with_database
from streaming.chaos.comparison import Rows
from streaming.core.key_variables import SIMULATOR_KEY_ENV
from streaming.simulator.running import API_KEY

_EMPTY, _ORACLE = "chaos_empty", "chaos_oracle"
_REDIS_DATABASE = 15
_SECONDS = 60.0
_CONNECT_SECONDS = 5
_BATCH = 500


class OracleError(Exception):
    """The undisturbed reading failed; the message says how."""


def start_empty(config: Config) -> None:
    """Empty the run's servers of what a killed run has left, and keep a copy of the empty database.

    The database has all tables, and nobody is connected to it.
    """
    name = str(database_settings(config)["NAME"])
    with _connection(config) as connection:
        query = "SELECT FROM pg_database WHERE datname = %s"
        is_left = connection.execute(query, [_EMPTY]).fetchone() is not None
    if is_left:
        _create(config, name, _EMPTY)
        migrate()
        django.db.connection.close()
    _create(config, _EMPTY, name)
    with Redis.from_url(redis_url(config)) as client:
        client.flushall()


def read_undisturbed(config: Config, base_urls: Mapping[str, str]) -> Rows:
    """Return what the providers' answers come to in an empty database.

    Args:
        config: of the run, after `start_empty`.
        base_urls: of the providers, whose answers are frozen.

    Raises:
        OracleError: a provider did not answer, or the process failed.
        psycopg.Error, redis.RedisError: a server is away.
    """
    _create(config, _ORACLE, _EMPTY)
    url = with_database(redis_url(config), _REDIS_DATABASE)
    with Redis.from_url(url) as client:
        client.flushdb()
    environ = {
        **only_servers(
            DATABASE_URL=database_url(database_settings(config), _ORACLE), REDIS_URL=url
        ),
        "DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"],
        SIMULATOR_KEY_ENV: API_KEY,
    }
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", __spec__.name, msgspec.json.encode(base_urls).decode()],
            cwd=CHECKOUT,
            env={**os.environ, **environ},
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise OracleError(f"The undisturbed reading took more than {_SECONDS:.0f} s.") from error
    if done.returncode:
        raise OracleError(f"The undisturbed reading failed:\n{done.stderr.decode()[-2000:]}")
    *_log_lines, rows = done.stdout.splitlines()
    return msgspec.json.decode(rows, type=Rows)


def _create(config: Config, name: str, template: str) -> None:
    with _connection(config) as connection:
        made, of = sql.Identifier(name), sql.Identifier(template)
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(made))
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(made, of))


def _connection(config: Config) -> psycopg.Connection:
    url = database_url(database_settings(config), "postgres")
    return psycopg.connect(url, autocommit=True, connect_timeout=_CONNECT_SECONDS)


def main(base_urls: Mapping[str, str]) -> Rows:
    """Read every answer once, value every market, and return the rows."""
    django.setup()
    # Django's models can be imported only now.
    from betting.config import get_config  # noqa: PLC0415
    from betting.models import Market, Provider  # noqa: PLC0415
    from streaming.chaos.feeds import SPORTS, enable  # noqa: PLC0415
    from streaming.chaos.rows import read_rows  # noqa: PLC0415
    from streaming.models import PollOutcome, PollRun  # noqa: PLC0415
    from streaming.polling.poll import poll  # noqa: PLC0415
    from valuation.recompute import recompute  # noqa: PLC0415

    config = get_config()
    enable(base_urls)
    for provider in Provider.objects.filter(key__in=base_urls).order_by("key"):
        list(poll(provider.pk, config))
        runs = PollRun.objects.filter(provider=provider)
        answers = runs.filter(outcome=PollOutcome.OK).count()
        if answers != len(SPORTS[provider.key]) or answers != runs.count():
            raise OracleError(f"{provider.key}: {[str(run) for run in runs]}")
    markets = list(Market.objects.order_by("id").values_list("id", flat=True))
    for start in range(0, len(markets), _BATCH):
        batch = markets[start : start + _BATCH]
        recompute(batch, "sweep", lambda: config.valuation, lambda _: None)
    return read_rows()


if __name__ == "__main__":
    found = main(msgspec.json.decode(sys.argv[1], type=dict[str, str]))
    sys.stdout.buffer.write(msgspec.json.encode(found))
