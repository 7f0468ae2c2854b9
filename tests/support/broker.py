"""What lies on the broker, a real Redis: looked at, or run by the test in the worker's place."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from celery.app.trace import build_tracer
from django.conf import settings
from redis import Redis

from betting.celery import app

QUEUES = [queue.name for queue in settings.CELERY_TASK_QUEUES]


@dataclass(frozen=True)
class Message:
    """A message as it lies on the broker."""

    task: str
    args: list[Any]
    eta: datetime | None
    expires: datetime | None
    headers: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def is_due_in(self, seconds: float, *, since: datetime) -> bool:
        """Whether it was told, some time between then and now, to wait for so long."""
        wait = timedelta(seconds=seconds)
        return self.eta is not None and since + wait <= self.eta <= datetime.now(UTC) + wait


def messages(redis: Redis, queue: str) -> list[Message]:
    """What waits in a queue, oldest first."""
    found = []
    for raw in reversed(redis.lrange(queue, 0, -1)):
        envelope = json.loads(raw)
        headers = envelope["headers"]
        assert envelope["content-type"] == "application/json"
        args, kwargs, _ = json.loads(base64.b64decode(envelope["body"]))
        assert kwargs == {}
        eta, expires = (_time(headers[name]) for name in ("eta", "expires"))
        headers["delivery_info"] = envelope["properties"]["delivery_info"]
        found.append(Message(headers["task"], args, eta, expires, headers))
    return found


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def all_messages(redis: Redis) -> dict[str, list[Message]]:
    return {queue: found for queue in QUEUES if (found := messages(redis, queue))}


def work_off(redis: Redis) -> list[Message]:
    """Run everything that waits, and what that sends, countdowns over; return it as it was run."""
    run = []
    while waiting := all_messages(redis):
        redis.delete(*waiting)
        for message in (each for queue in waiting.values() for each in queue):
            run_as_a_worker(message)
            run.append(message)
    return run


def run_as_a_worker(message: Message) -> None:
    """Run a message's task under its headers, between Celery's signals; what it raises goes on."""
    task = app.tasks[message.task]
    trace = build_tracer(task.name, task, app=app, eager=True, propagate=True)
    trace(message.headers["id"], message.args, {}, {**message.headers, "is_eager": True})
