"""Files that show that a process works: `HARDLINE_HOME/alive/<role>`, touched every few seconds.

`betting.runtime.healthcheck` reads their age. A worker touches its file with each heartbeat, which
stops while it cannot reach the broker; beat with each tick. Asking a worker over the broker would
start a Python and load the project for each question.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from celery.signals import heartbeat_sent

from betting.config import get_config

FOLDER = "alive"


def touch(home: Path, role: str) -> None:
    """Show that a process works; a disk that is full or read-only is not its failure."""
    folder = home / FOLDER
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / role).touch()


def connect() -> None:
    """Let each worker of this process touch its file with each heartbeat."""
    heartbeat_sent.connect(_touch_of_worker, dispatch_uid="betting.runtime.alive")


def _touch_of_worker(sender: Any, **_: object) -> None:
    role, *_rest = str(sender.eventer.hostname).partition(".")
    touch(get_config().home, role)
