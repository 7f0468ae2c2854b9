"""The handler of the one Celery signal that is needed; `StreamingConfig` connects it.

A failure around a task (in a hook, or when its result is written) reaches the worker's parent
process from a pool of processes, where `Request.on_failure` sees it. From a pool of threads nothing
is reported at all, and the message would be held for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from billiard.process import current_process
from celery.signals import task_internal_error
from celery.worker import state

from streaming.core.letters import Kind
from streaming.dead_letters.capture import bury
from streaming.dead_letters.exception_info import describe
from streaming.dead_letters.messages import letter_of_request


def connect() -> None:
    """Connect the handler, once however often this is called."""
    task_internal_error.connect(_on_internal_error, dispatch_uid="streaming.deadletters")


def _on_internal_error(
    *, task_id: str, request: Mapping[str, Any], exception: Exception, sender: Any, **_: Any
) -> None:
    known = {"id": task_id, "task": sender.name, **(request or {})}
    bury(letter_of_request(known, Kind.HOOK, describe(exception)))
    # A pool's process holds no messages: those that it inherited are its parent's.
    if current_process().name == "MainProcess":
        _acknowledge(task_id)


def _acknowledge(task_id: str) -> None:
    """Acknowledge the message: in a pool of threads nothing else does, and its slot stays taken."""
    held = state.requests.get(task_id)
    if held is not None:
        state.task_ready(held)
        held.acknowledge()
