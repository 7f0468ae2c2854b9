"""The domain app; loading it loads the Celery app, so that `shared_task` finds it."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig

from betting.config import get_config


class BettingConfig(AppConfig):
    """Events, markets, quotes and their line history."""

    name = "betting"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Load the Celery app once the settings are there; have errors sent before it works.

        Where they are not, what Sentry would patch for it is not so much as looked at.
        """
        config = get_config().sentry
        if config.dsn is not None:
            import_module("betting.logs.sentry").start(config)
        import_module("betting.celery")
