"""This process's connections to Redis, and leases kept there."""

from __future__ import annotations

from functools import cache

from redis import Redis
from redis.lock import Lock

from betting.config import get_config
from betting.runtime.embedded import redis_url
from betting.timing import REDIS_TIMEOUT_SECONDS


@cache
def redis_client() -> Redis:
    """Return this process's Redis connection pool; every wait on it has a deadline."""
    return Redis.from_url(
        redis_url(get_config()),
        socket_timeout=REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
    )


def make_lease(name: str, seconds: float) -> Lock:
    """Return a lease that one process at a time can acquire; acquiring it does not wait.

    It expires if its holder dies or does not reacquire it in time.
    """
    lock: Lock = redis_client().lock(f"hardline:lease:{name}", timeout=seconds, blocking=False)
    return lock
