"""gunicorn's lines, which its parent process writes before there is a Django."""

from __future__ import annotations

import logging.config
from typing import Any

from gunicorn import glogging

from betting.config import get_config
from betting.logs.rendering import logging_settings


class Logger(glogging.Logger):  # type: ignore[misc]  # it has no types
    """gunicorn's own, without handlers of its own: named by ``--logger-class``."""

    def setup(self, cfg: Any) -> None:
        """Hand its lines on to the root logger, whose level counts."""
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            log.handlers.clear()
            log.propagate = True
            log.setLevel(logging.NOTSET)
        logging.config.dictConfig(logging_settings(get_config().log))
