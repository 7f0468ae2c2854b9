"""The running time of the observing process: docs/adr/0021-a-start-is-bounded.md."""

from __future__ import annotations

import time

from django.apps import apps

from streaming.apps import StreamingConfig


def running_seconds() -> float:
    """Return the age of this process, or of the one that it was forked from, in seconds."""
    app = apps.get_app_config("streaming")
    assert isinstance(app, StreamingConfig)
    return time.monotonic() - app.started
