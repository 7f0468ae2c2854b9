"""Beat's scheduler: one of several beats works at a time, and shows that it does."""

from __future__ import annotations

import hashlib
import os
import socket
from contextvars import copy_context
from typing import Any

from celery.beat import PersistentScheduler
from redis.exceptions import RedisError

from betting.config import get_config
from betting.db.redis import redis_client
from betting.runtime import alive

KEY = "hardline:lease:beat"

LEASE_SECONDS = 5.0
"""The longest gap in ticks after a beat has died and another one waits."""

_LOOK_SECONDS = 1.0


class Scheduler(PersistentScheduler):
    """Celery's own scheduler, under a lease in Redis, of which each tick touches beat's file.

    The lease spares work: two beats do no harm, as the database knows what is due. So a beat that
    cannot ask for it goes on.
    """

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due if the lease is ours; return the seconds until the next tick."""
        seconds = _LOOK_SECONDS
        if holds_lease():
            # In a context of its own: a message that fails leaves the span of its sending behind.
            seconds = copy_context().run(super().tick, *args, **kwargs)
        alive.touch(get_config().home, "beat")
        return seconds


def holds_lease() -> bool:
    """Take or keep the lease; return False if another beat has it."""
    token = _token().encode()
    expiry_ms = int(LEASE_SECONDS * 1000)
    try:
        holder = redis_client().set(KEY, token, nx=True, get=True, px=expiry_ms)
        if holder == token:
            # If it expires at this moment, the other beat's is prolonged: both work once, no more.
            redis_client().pexpire(KEY, expiry_ms)
    except RedisError:
        return True
    return holder in {None, token}


def _token() -> str:
    """Return the name of this installation's beat.

    It is the same at each start, so that a beat that is started again continues at once, and a
    call that failed after Redis had executed it leaves a lease that is still ours.
    """
    home = hashlib.sha256(os.fsencode(get_config().home)).hexdigest()[:8]
    return f"{home}@{socket.gethostname()}"
