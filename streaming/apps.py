"""The streaming app."""

from __future__ import annotations

import time
from importlib import import_module

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class StreamingConfig(AppConfig):
    """The streaming app: answers of providers in, line changes out.

    Attributes:
        started: when this process began, by its monotonic clock.
    """

    name = "streaming"
    default_auto_field = "django.db.models.BigAutoField"
    started: float = time.monotonic()

    def ready(self) -> None:
        """Connect to Celery's failure signals and load the modules that register handlers.

        This waits until the settings are loaded. Every process that publishes notifications must
        know the handlers and what they subscribe to.
        """
        import_module("streaming.dead_letters.celery_hooks").connect()
        autodiscover_modules("subscribers")
