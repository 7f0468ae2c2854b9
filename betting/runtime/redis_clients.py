"""Clients of Redis, of one server or of the one that Sentinels name at the moment."""

from __future__ import annotations

from typing import Any

from redis import Redis, Sentinel
from redis.sentinel import SentinelConnectionPool

from betting.config.sentinel_url import SentinelUrl, is_sentinel_url, parse_sentinel_url


def make_client(url: str, **options: Any) -> Redis:
    """Return a client with a pool of its own.

    Args:
        url: as REDIS_URL, or as redis-py reads it.
        options: redis-py's own, such as time limits, which hold for Sentinels as well.

    Raises:
        ValueError, TypeError: the address has a part that is not known.
    """
    if is_sentinel_url(url):
        return Redis.from_pool(SentinelPool.from_url(url, **options))
    return Redis.from_url(url, **options)


class SentinelPool(SentinelConnectionPool):
    """Connections to the master that Sentinels name; each new one asks them again."""

    @classmethod
    def from_url(cls, url: str, **options: Any) -> SentinelPool:
        """Return the pool of an address of Sentinels, as Django's cache asks for it."""
        address = parse_sentinel_url(url)
        of_sentinels = sentinel_options(address, **options)
        manager = Sentinel(address.sentinels, sentinel_kwargs=of_sentinels)  # type: ignore[no-untyped-call]
        return cls(
            address.service,
            manager,
            db=address.database,
            username=address.username or None,
            password=address.password or None,
            ssl=address.is_tls,
            **address.tls_options,
            **options,
        )


def sentinel_options(address: SentinelUrl, **options: Any) -> dict[str, Any]:
    """Return the options of connections to the Sentinels themselves."""
    limits = {name: value for name, value in options.items() if name.startswith("socket_")}
    password = address.sentinel_password or None
    return {**limits, "password": password, "ssl": address.is_tls, **address.tls_options}
