"""Database connections of Celery's workers, kept from one task to the next as Django keeps them.

Celery's own fixup ignores `CONN_MAX_AGE` and closes them before and after every task. A new
PostgreSQL backend, whose caches are empty, took half of the time allowed for a major move.
"""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.fixups.django import DjangoFixup, DjangoWorkerFixup  # type: ignore[attr-defined]
from django.db import close_old_connections


def fixup(app: Celery) -> Any:
    """Install Celery's fixup for Django, except that it keeps connections."""
    return _Fixup(app).install()


class _WorkerFixup(DjangoWorkerFixup):  # type: ignore[misc]  # its stubs leave it out
    """A fixup that treats connections around a task as Django does around a request."""

    def close_database(self, **_: Any) -> None:
        """Close connections that have failed; others are checked when they are next used."""
        close_old_connections()


class _Fixup(DjangoFixup):
    _worker_fixup: Any

    @property
    def worker_fixup(self) -> Any:
        """The part of the fixup that workers use."""
        if self._worker_fixup is None:
            self._worker_fixup = _WorkerFixup(self.app)
        return self._worker_fixup
