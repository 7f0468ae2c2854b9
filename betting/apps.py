"""The domain app; loading it loads the Celery app, so that `shared_task` finds it."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class BettingConfig(AppConfig):
    """Events, markets, quotes and their line history."""

    name = "betting"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Load the Celery app once the settings are there."""
        import_module("betting.celery")
