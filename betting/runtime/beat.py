"""Beat's scheduler, which also shows that beat works."""

from __future__ import annotations

from typing import Any

from celery.beat import PersistentScheduler

from betting.config import get_config
from betting.runtime import alive


class Scheduler(PersistentScheduler):
    """Celery's own scheduler; each tick touches beat's file."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due; return the seconds until the next tick."""
        seconds: float = super().tick(*args, **kwargs)
        alive.touch(get_config().home, "beat")
        return seconds
