"""The streaming app."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class StreamingConfig(AppConfig):
    """Providers in, line changes out."""

    name = "streaming"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Listen to what Celery tells about failures, once the settings are there."""
        import_module("streaming.deadletters.hooks").connect()
