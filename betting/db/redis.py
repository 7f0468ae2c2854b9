"""This process's connections to Redis."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from redis import Redis

from betting.config import get_config
from betting.runtime.embedded import redis_url
from betting.runtime.redis_clients import make_client
from betting.timing import REDIS_TIMEOUT_SECONDS

P = ParamSpec("P")


def kept_client(make: Callable[P, Redis]) -> Callable[P, Redis]:
    """Keep a client for each list of arguments, the same one for all threads.

    `functools.cache` lets each of several threads that ask at once make a client, and keeps one.
    The others close their connections when they are collected, while their pipelines use them.
    """
    kept: dict[tuple[object, ...], Redis] = {}

    @wraps(make)
    def get(*args: P.args, **kwargs: P.kwargs) -> Redis:
        key = (*args, *kwargs.items())
        client = kept.get(key)
        # The first one stays; no other one has been used.
        return kept.setdefault(key, make(*args, **kwargs)) if client is None else client

    return get


@kept_client
def redis_client() -> Redis:
    """Return this process's Redis connection pool; every wait on it has a deadline."""
    return make_client(
        redis_url(get_config()),
        socket_timeout=REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
    )
