"""Celery's hooks: an end is a letter, then its acknowledgement; poison is stopped."""

from __future__ import annotations

from typing import Any

import pytest
from billiard.einfo import ExceptionInfo
from billiard.exceptions import Terminated, WorkerLostError
from celery import current_app
from celery.exceptions import Ignore, Reject, Retry
from kombu.message import Message
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from streaming.core.letters import Kind
from streaming.dead_letters.celery_hooks import (
    MAX_DELIVERIES,
    DeliveriesExhaustedError,
    Request,
    count_redelivery,
    forget_redeliveries,
)
from streaming.models import DeadLetter
from streaming.tasks import poll_provider, sweep

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def request_of(task: Any) -> tuple[Request, list[str]]:
    """A request as a worker has it, and what becomes of its message."""
    headers: Any = {"id": "t", "task": task.name, "retries": 1}
    message = Message(
        body='[[1], {"a": 2}, {}]',
        content_type="application/json",
        content_encoding="utf-8",
        headers=headers,
        delivery_info={"routing_key": "poll"},
        properties={},
    )
    heard: list[str] = []
    request = Request(
        message,
        app=current_app,
        hostname="node",
        on_ack=lambda *_: heard.append("acknowledged"),
        on_reject=lambda *_: heard.append("rejected"),
    )
    return request, heard


def info(error: BaseException, **options: Any) -> ExceptionInfo:
    try:
        raise error  # noqa: TRY301 - to be caught at once is its purpose
    except BaseException:  # noqa: BLE001 - of any kind
        return ExceptionInfo(**options)


def test_a_failure_is_a_letter_with_all_that_its_message_said() -> None:
    request, heard = request_of(sweep)
    request.on_failure(info(LookupError("no market")), return_ok=True)
    letter = DeadLetter.objects.get()
    assert (letter.kind, letter.task, letter.args, letter.kwargs) == (
        Kind.EXCEPTION,
        "streaming.sweep",
        [1],
        {"a": 2},
    )
    assert (letter.queue, letter.worker, letter.task_id, letter.retries) == ("poll", "node", "t", 1)
    assert heard == ["acknowledged"]


@pytest.mark.parametrize(
    "error",
    [
        Retry("later"),
        Ignore(),
        Reject("later", requeue=True),
        Terminated("by an operator"),
        WorkerLostError("it will come again"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_not_the_end_of_the_work_is_no_letter(error: Exception) -> None:
    request, _ = request_of(sweep)
    request.on_failure(info(error), return_ok=not isinstance(error, WorkerLostError))
    assert not DeadLetter.objects.exists()


def test_a_worker_lost_over_a_message_that_will_not_come_again_is_a_letter() -> None:
    request, _ = request_of(poll_provider)
    request.on_failure(info(WorkerLostError("killed")))
    assert DeadLetter.objects.get().kind == Kind.WORKER_LOST


def test_memory_that_ran_out_is_a_letter_and_the_message_does_not_come_again() -> None:
    request, heard = request_of(sweep)
    with pytest.raises(MemoryError):
        request.on_failure(info(MemoryError()), return_ok=True)
    assert DeadLetter.objects.get().exception == "builtins.MemoryError"
    assert heard == ["acknowledged"]


def test_what_escaped_the_tracer_failed_around_the_task() -> None:
    request, _ = request_of(sweep)
    request.on_failure(info(RuntimeError("a hook")), return_ok=False)
    assert DeadLetter.objects.get().kind == Kind.HOOK


def test_it_runs_as_often_as_is_allowed_and_not_once_more() -> None:
    for _ in range(MAX_DELIVERIES - 1):  # the first delivery is not counted
        count_redelivery("t", 0)
    with pytest.raises(DeliveriesExhaustedError, match="3 times"):
        count_redelivery("t", 0)


def test_another_try_and_another_message_are_counted_for_themselves() -> None:
    for task_id, retries in (("t", 0), ("t", 1), ("u", 0)) * (MAX_DELIVERIES - 1):
        count_redelivery(task_id, retries)


def test_a_message_that_came_to_its_end_starts_afresh(redis: Redis) -> None:
    for _ in range(3 * MAX_DELIVERIES):
        count_redelivery("t", 0)
        forget_redeliveries("t", 0)
    assert redis.keys("hardline:deliveries:*") == []


def test_while_redis_is_away_the_task_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise RedisConnectionError("away")

    with monkeypatch.context() as patch:
        patch.setattr(Redis, "execute_command", refuse)
        patch.setattr("redis.client.Pipeline.execute", refuse)
        for _ in range(2 * MAX_DELIVERIES):
            count_redelivery("t", 0)
        forget_redeliveries("t", 0)
