"""This process's connections to Redis."""

from __future__ import annotations

from functools import cache

from redis import Redis

from betting.config import get_config
from betting.runtime.embedded import redis_url
from betting.runtime.redis_clients import make_client
from betting.timing import REDIS_TIMEOUT_SECONDS


@cache
def redis_client() -> Redis:
    """Return this process's Redis connection pool; every wait on it has a deadline."""
    return make_client(
        redis_url(get_config()),
        socket_timeout=REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
    )
