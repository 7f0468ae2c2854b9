"""The Celery app of the naive and the batched contender: Celery's defaults, but for connections."""

from __future__ import annotations

from celery import Celery

from betting.config import get_config
from betting.runtime.embedded import broker_url

QUEUE = "benchmark"
APPLY_CHANGE = "benchmark.apply_change"
APPLY_CHANGES = "benchmark.apply_changes"
RECOMPUTES_KEY = "benchmark:recomputes"
"""Where the batched worker counts the markets that it values: nobody else knows its batches."""


def make_app(name: str) -> Celery:
    """Return the app of a contender; its workers keep their database connections, as ours do."""
    app = Celery(
        name,
        broker=broker_url(get_config()),
        fixups=["betting.db.connections:fixup"],
        set_as_current=False,  # our own tasks stay with our own app
    )
    app.conf.update(
        task_default_queue=QUEUE,
        task_ignore_result=True,
        broker_connection_retry_on_startup=True,
        worker_hijack_root_logger=False,
    )
    return app
