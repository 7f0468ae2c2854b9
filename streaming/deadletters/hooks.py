"""The one signal of Celery's that is needed: `StreamingConfig` connects it.

A failure around a task (in a hook, or when its result is written) reaches the worker's parent
process from a pool of processes, where `Request.on_failure` sees it. From a pool of threads nothing
is reported at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery.signals import task_internal_error

from streaming.core.letters import Kind
from streaming.deadletters.burial import bury
from streaming.deadletters.described import describe
from streaming.deadletters.messages import letter_of_request


def connect() -> None:
    """Listen, once however often this is called."""
    task_internal_error.connect(_on_internal_error, dispatch_uid="streaming.deadletters")


def _on_internal_error(
    *, task_id: str, request: Mapping[str, Any], exception: Exception, sender: Any, **_: Any
) -> None:
    known = {"id": task_id, "task": sender.name, **(request or {})}
    bury(letter_of_request(known, Kind.HOOK, describe(exception)))
