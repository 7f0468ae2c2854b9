"""The streaming app."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class StreamingConfig(AppConfig):
    """Providers in, line changes out."""

    name = "streaming"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Find the handlers: every process that publishes has to know who wants what."""
        autodiscover_modules("subscribers")
