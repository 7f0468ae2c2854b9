"""This process's connections to Redis, and leases kept there."""

from __future__ import annotations

from functools import cache

from redis import Redis
from redis.lock import Lock

from betting.config import get_config
from betting.runtime.embedded import redis_url


@cache
def redis_client() -> Redis:
    """Return this process's Redis connection pool; every wait on it has a deadline."""
    config = get_config()
    seconds = config.celery.socket_timeout_seconds
    return Redis.from_url(redis_url(config), socket_timeout=seconds, socket_connect_timeout=seconds)


def make_lease(name: str, seconds: float) -> Lock:
    """Return a lease that one process at a time can acquire; acquiring it does not wait.

    It expires if its holder dies or does not reacquire it in time.
    """
    lock: Lock = redis_client().lock(f"hardline:lease:{name}", timeout=seconds, blocking=False)
    return lock
