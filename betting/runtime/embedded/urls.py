"""The servers' addresses, in the forms that Django, Celery and redis-py take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from betting.config import Config
from betting.config.sentinel_url import SentinelUrl, is_sentinel_url, parse_sentinel_url
from betting.runtime.embedded.account import our_account
from betting.runtime.embedded.postgres import DATABASE, PORT
from betting.runtime.embedded.state import state_of

ENGINE = "django.db.backends.postgresql"


def database_settings(config: Config) -> dict[str, Any]:
    """Return Django's ``DATABASES["default"]``: the server of DATABASE_URL, or the private one."""
    if config.database_url is not None:
        return parse_database_url(config.database_url)
    return {
        "ENGINE": ENGINE,
        "NAME": DATABASE,
        "USER": our_account().name,
        "HOST": str(state_of(config).postgres_sockets),
        "PORT": str(PORT),
    }


def direct_settings(config: Config) -> dict[str, Any]:
    """Return the settings of the same database past its pooler, if it has one."""
    if config.database_session_url is not None:
        return parse_database_url(config.database_session_url)
    return database_settings(config)


def parse_database_url(url: str) -> dict[str, Any]:
    """Split a PostgreSQL URL into Django's settings; its query goes to the driver.

    >>> settings = parse_database_url("postgresql://ana:p%40ss@db.local:6432/odds?sslmode=require")
    >>> settings["USER"], settings["PASSWORD"], settings["HOST"], settings["PORT"]
    ('ana', 'p@ss', 'db.local', '6432')
    >>> settings["NAME"], settings["OPTIONS"]
    ('odds', {'sslmode': 'require'})
    >>> parse_database_url("postgresql://%2Fvar%2Frun%2Fpg/odds")["HOST"]
    '/var/run/pg'
    """
    parts = urlsplit(url)
    port = "" if parts.port is None else str(parts.port)
    # Not `parts.hostname`, which lowers the case of a socket's path.
    host = parts.netloc.rpartition("@")[2].removesuffix(f":{port}").strip("[]")
    return {
        "ENGINE": ENGINE,
        "NAME": unquote(parts.path[1:]),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(host),
        "PORT": port,
        "OPTIONS": dict(parse_qsl(parts.query)),
    }


def libpq_parameters(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return Django's settings of a database by libpq's names, without those that are empty.

    >>> libpq_parameters(
    ...     {"NAME": "odds", "USER": "", "HOST": "db", "OPTIONS": {"sslmode": "require"}}
    ... )
    {'dbname': 'odds', 'host': 'db', 'sslmode': 'require'}
    """
    names = {
        "NAME": "dbname",
        "USER": "user",
        "PASSWORD": "password",
        "HOST": "host",
        "PORT": "port",
    }
    parts = {ours: settings[theirs] for theirs, ours in names.items() if settings.get(theirs)}
    return {**parts, **settings.get("OPTIONS", {})}


def redis_url(config: Config) -> str:
    """Return the Redis server's URL as redis-py reads it."""
    return config.redis_url or f"unix://{quote(str(state_of(config).redis_socket))}?db=0"


def broker_url(config: Config) -> str:
    """Return BROKER_URL, or the Redis server's URL as Celery reads it.

    >>> from pathlib import Path
    >>> broker_url(Config(Path("/srv/hardline"), redis_url="unix:///run/redis.sock?db=2"))
    'redis+socket:///run/redis.sock?virtual_host=2'
    >>> broker_url(Config(Path("/srv/hardline"), redis_url="redis+sentinel://:pw@a,b/odds/2"))
    'sentinel://:pw@a:26379/2;sentinel://:pw@b:26379/2'
    """
    if config.broker_url is not None:
        return config.broker_url
    url = redis_url(config)
    if is_sentinel_url(url):
        return ";".join(_broker_urls(parse_sentinel_url(url)))
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    options = dict(parse_qsl(parts.query))
    return f"redis+socket://{parts.netloc}{parts.path}?virtual_host={options.get('db', '0')}"


def _broker_urls(address: SentinelUrl) -> Iterator[str]:
    """Yield the URL of each Sentinel, with the login of the servers that they look after."""
    login = ":".join(quote(part, safe="") for part in (address.username, address.password))
    account = "" if login == ":" else f"{login}@"
    for host, port in address.sentinels:
        place = f"[{host}]" if ":" in host else host
        yield f"sentinel://{account}{place}:{port}/{address.database}"


def cache_options(config: Config) -> dict[str, Any]:
    """Return the options of Django's cache that are not in the URL of Redis."""
    if not is_sentinel_url(redis_url(config)):
        return {}
    return {"pool_class": "betting.runtime.redis_clients.SentinelPool"}
