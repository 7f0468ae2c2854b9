"""The Celery app: queues, routes and the settings that keep messages from being lost.

Every setting that is not Celery's default answers a measured fault: docs/adr/0004-celery.md.
"""

from __future__ import annotations

from celery import Celery

app = Celery("hardline")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
