"""The domain app; loading it loads the Celery app, so that `shared_task` finds it."""

from __future__ import annotations

import logging
import os
from importlib import import_module

from django.apps import AppConfig

from betting.config import get_config
from betting.config.removed import removed_settings
from betting.garbage import collect_from_here
from betting.logs import spans

logger = logging.getLogger(__name__)


class BettingConfig(AppConfig):
    """Events, markets, quotes and their line history."""

    name = "betting"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Warn of removed settings, start Sentry and traces if wanted, then load the Celery app.

        Without a DSN, and without an exporter of traces, nothing is imported or patched.
        """
        for sentence in removed_settings(os.environ):
            logger.warning(sentence)
        config = get_config().sentry
        if config.dsn is not None:
            import_module("betting.logs.sentry").start(config)
        spans.start(os.environ)
        import_module("betting.celery")
        collect_from_here()
