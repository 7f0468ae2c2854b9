"""The streaming app."""

from __future__ import annotations

import time
from importlib import import_module

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class StreamingConfig(AppConfig):
    """Providers in, line changes out.

    Attributes:
        started: when this process began, by its monotonic clock.
    """

    name = "streaming"
    default_auto_field = "django.db.models.BigAutoField"
    started: float = time.monotonic()

    def ready(self) -> None:
        """Listen to what Celery tells about failures, once the settings are there.

        And find the handlers: every process that publishes has to know who wants what.
        """
        import_module("streaming.dead_letters.hooks").connect()
        autodiscover_modules("subscribers")
