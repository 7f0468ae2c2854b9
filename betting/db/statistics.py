"""The planner's statistics of tables that grow faster than autovacuum looks at them.

A new installation is filled within seconds, and autovacuum comes by once a minute. Until then
PostgreSQL plans for the tables as they were when empty: it looks keys up, those of foreign keys
too, by reading whole tables, and each answer costs more than the one before.
"""

from __future__ import annotations

import logging
import threading

from django.db import DatabaseError

from betting.db.sql import execute, fetch_all

LEAST_ROWS = 1_000
"""Growth by fewer rows is no reason to look."""

logger = logging.getLogger(__name__)


class Growth:
    """The growth of one table, and of those that are filled along with it.

    Their statistics are renewed each time the table has doubled, by what this process has inserted:
    while it is filled a few times, and never again once it is large.

    Attributes:
        table: the table whose rows are counted.
        tables: the tables to analyze.
    """

    def __init__(self, table: str, *tables: str) -> None:
        self.table = table
        self.tables = (table, *tables)
        self._lock = threading.Lock()
        self._renewing = threading.Lock()
        self._inserted = 0
        self._enough = LEAST_ROWS

    def add(self, rows: int) -> None:
        """Count rows that were inserted and committed; renew the statistics if it is time.

        An error is logged: it costs speed, and nothing else.
        """
        if not rows:
            return
        with self._lock:
            self._inserted += rows
            is_due = self._inserted >= self._enough
        # One thread looks; the others have messages to send.
        if is_due and self._renewing.acquire(blocking=False):
            try:
                self._renew()
            except DatabaseError as error:
                logger.warning("the statistics of %s are not renewed: %s", self.table, error)
                self._enough = self._inserted + LEAST_ROWS
            finally:
                self._renewing.release()

    def _renew(self) -> None:
        if self._inserted >= self._known():
            # A table that somebody else is analyzing is left to them.
            execute(f"ANALYZE (SKIP_LOCKED) {', '.join(self.tables)}", {})
            self._inserted = 0
        self._enough = max(LEAST_ROWS, self._known())

    def _known(self) -> int:
        """Return the rows that the planner expects: -1 before the first statistics."""
        ((rows,),) = fetch_all(_KNOWN, {"table": self.table})
        return int(rows)


_KNOWN = "SELECT reltuples FROM pg_class WHERE oid = to_regclass(%(table)s)"
