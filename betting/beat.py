"""Beat's scheduler: one of several beats works at a time, and shows that it does."""

from __future__ import annotations

import hashlib
import os
import socket
from contextlib import suppress
from typing import Any

from celery.beat import PersistentScheduler
from redis.exceptions import LockError, RedisError

from betting.config import get_config
from betting.db.redis import make_lease
from betting.runtime import alive

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
            seconds = super().tick(*args, **kwargs)
        alive.touch(get_config().home, "beat")
        return seconds


def holds_lease() -> bool:
    """Take or keep the lease; return False if another beat has it."""
    lease = make_lease("beat", LEASE_SECONDS)
    token = _token()
    with suppress(RedisError):
        try:
            # A beat that is started again on the same machine continues at once.
            lease.local.token = token.encode()
            return bool(lease.reacquire())
        except LockError:
            return bool(lease.acquire(token=token))
    return True


def _token() -> str:
    """Return the name of this installation's beat, the same at each start."""
    home = hashlib.sha256(os.fsencode(get_config().home)).hexdigest()[:8]
    return f"{home}@{socket.gethostname()}"
