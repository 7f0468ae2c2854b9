from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from celery.signals import after_task_publish, task_failure, task_internal_error
from celery.utils.dispatch import Signal

from streaming.chaos.witness import Seen, read, watch


class FailedTask:
    """A task as Celery's signals hand it over, at the third repetition of the message `one`."""

    name = "a.b"

    class request:  # noqa: N801 - its name on a task
        id = "one"
        retries = 3


@pytest.fixture
def home(tmp_path: Path) -> Any:
    """A directory whose workers are watched, until the test ends."""
    signals: list[Signal] = [after_task_publish, task_failure, task_internal_error]
    receivers: list[Any] = [patch.object(signal, "receivers", []) for signal in signals]
    for each in receivers:
        each.start()
    watch(tmp_path)
    yield tmp_path
    for each in receivers:
        each.stop()


def told(seen: Seen) -> tuple[str, str, str, int, int]:
    return seen.what, seen.id, seen.task, seen.retries, seen.worker


def test_nothing_was_seen_where_no_worker_has_written(tmp_path: Path) -> None:
    assert read(tmp_path) == []


def test_failures_and_deliveries_are_on_record_in_order(home: Path) -> None:
    task = FailedTask()
    task_failure.send(sender=task, task_id="one")
    task_failure.send(sender=task, task_id="another")
    task_internal_error.send(sender=task, task_id="inner", request={"retries": 1})
    after_task_publish.send(sender="streaming.tick", body=((), {}, {}))
    after_task_publish.send(sender="streaming.deliver", body=(("webhook:x", "id", []), {}, {}))

    own = os.getpid()
    assert [told(each) for each in read(home)] == [
        ("failed", "one", "a.b", 3, own),
        ("failed", "another", "a.b", 0, own),
        ("failed", "inner", "a.b", 1, own),
        ("sent", "id", "", 0, own),
    ]
