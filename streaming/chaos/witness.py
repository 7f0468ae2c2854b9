"""The witness of a run: failures that workers saw and deliveries that they sent, line by line.

The workers write it by Celery's signals (`streaming.chaos.hooks`), apart from what the product
records of the same failures, so that both can be compared.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
from billiard.process import current_process
from celery.signals import after_task_publish, task_failure, task_internal_error

from streaming.chaos import clocks

_FILE = "chaos-witness.jsonl"
_DELIVER = "streaming.deliver"


class Seen(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that a worker saw.

    Attributes:
        what: a task that failed for good, or a delivery that was sent to its queue.
        id: of the task, or of the delivery.
        at: when.
        worker: the id of the worker's main process.
        task: the task's name.
        retries: how often it had been tried before.
    """

    what: Literal["failed", "sent"]
    id: str
    at: datetime
    worker: int
    task: str = ""
    retries: int = 0


def read(home: Path) -> list[Seen]:
    """Return what all workers of a state directory have seen, in order."""
    file = home / _FILE
    lines = file.read_bytes().splitlines() if file.exists() else []
    return [msgspec.json.decode(line, type=Seen) for line in lines]


def watch(home: Path) -> None:
    """Write what this worker sees from now on."""

    def write(what: Literal["failed", "sent"], identity: str, **more: Any) -> None:
        is_main = current_process().name == "MainProcess"
        worker = os.getpid() if is_main else os.getppid()
        seen = Seen(what, identity, clocks.now(), worker, **more)
        # One write, so that neither another process nor a kill cuts a line.
        file = os.open(home / _FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, msgspec.json.encode(seen) + b"\n")
        finally:
            os.close(file)

    def on_failure(*, sender: Any, task_id: str, **_: Any) -> None:
        request = sender.request
        retries = request.retries if request.id == task_id else 0
        write("failed", task_id, task=sender.name, retries=retries)

    def on_internal_error(
        *, sender: Any, task_id: str, request: Mapping[str, Any] | None, **_: Any
    ) -> None:
        write("failed", task_id, task=sender.name, retries=(request or {}).get("retries") or 0)

    def on_sent(*, sender: str, body: Sequence[Any], **_: Any) -> None:
        if sender == _DELIVER:
            write("sent", body[0][1])

    task_failure.connect(on_failure, weak=False)
    task_internal_error.connect(on_internal_error, weak=False)
    after_task_publish.connect(on_sent, weak=False)
