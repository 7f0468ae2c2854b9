"""Database connections in Celery's workers: kept from one task to the next, as Django keeps them.

Celery's own fixup closes them before and after every task, whatever `CONN_MAX_AGE` says. A new
PostgreSQL backend, whose caches are empty, took half of the time that a major move had.
"""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.fixups.django import DjangoFixup, DjangoWorkerFixup  # type: ignore[attr-defined]
from django.db import close_old_connections


def fixup(app: Celery) -> Any:
    """What Celery does for Django, but for the connections."""
    return _Fixup(app).install()


class _WorkerFixup(DjangoWorkerFixup):  # type: ignore[misc]  # its stubs leave it out
    """Does around a task what Django does around a request."""

    def close_database(self, **_: Any) -> None:
        """Give up connections that have failed; others are looked at when they are used."""
        close_old_connections()


class _Fixup(DjangoFixup):
    _worker_fixup: Any

    @property
    def worker_fixup(self) -> Any:
        """The part that workers have."""
        if self._worker_fixup is None:
            self._worker_fixup = _WorkerFixup(self.app)
        return self._worker_fixup
