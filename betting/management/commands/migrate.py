from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from betting.db.advisory_locks import MIGRATIONS
from betting.db.sessions import is_pooled, limit_role, past_the_pooler

_POLL_SECONDS = 0.1


class Command(migrate.Command):
    """Django's `migrate` under a lock: without it two at once create one table, and one fails."""

    def handle(self, *args: Any, **options: Any) -> None:
        with past_the_pooler(), _alone(connections[options["database"]]):
            super().handle(*args, **options)
            if is_pooled() and options["database"] == DEFAULT_DB_ALIAS:
                limit_role()


@contextmanager
def _alone(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Hold the database's lock, which also excludes migrations on other machines.

    The lock is polled: a statement that waits for it would be in a transaction, for which CREATE
    INDEX CONCURRENTLY, which some migrations use, waits in turn.
    """
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [MIGRATIONS])
            if cursor.fetchone() == (True,):
                break
            time.sleep(_POLL_SECONDS)
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATIONS])
