"""The Celery app: queues, routes and the settings that keep messages from being lost.

Each setting that differs from Celery's default fixes a measured fault: docs/adr/0004-celery.md.
"""

from __future__ import annotations

from importlib import import_module

from celery import Celery
from celery.signals import task_prerun
from kombu.transport import TRANSPORT_ALIASES

from betting.logs import messages
from betting.runtime import alive

# An undecodable message must become a dead letter, not end the worker. Imported by name, as the
# project refers to the stream in its settings only.
TRANSPORT_ALIASES["redis"] = TRANSPORT_ALIASES["rediss"] = (
    "streaming.dead_letters.transport:Transport"
)
TRANSPORT_ALIASES["sentinel"] = "streaming.dead_letters.transport:SentinelTransport"

app = Celery(
    "hardline",
    task_cls="streaming.dead_letters.celery_hooks:Task",
    fixups=["betting.db.connections:fixup"],
)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
messages.connect()
alive.connect()


@task_prerun.connect(weak=False)
def _follow_live_settings(**_: object) -> None:
    """Follow them in each process that runs tasks: a pool process begins with its first one."""
    import_module("betting.db.live_settings").follow()
