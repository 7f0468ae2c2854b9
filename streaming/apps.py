"""The streaming app."""

from __future__ import annotations

from django.apps import AppConfig


class StreamingConfig(AppConfig):
    """Providers in, line changes out."""

    name = "streaming"
    default_auto_field = "django.db.models.BigAutoField"
