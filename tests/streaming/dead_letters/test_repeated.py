"""Work that repeats by itself, while the real PostgreSQL has ended its connections."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from celery import _state, current_app
from celery.exceptions import Ignore
from django.conf import settings
from django.db import OperationalError, connection
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from betting.config import get_config
from streaming import tasks
from streaming.coalescing import buffer
from streaming.dead_letters.messages import REPLAY_HEADER
from streaming.dead_letters.repeated import repeated_work, run_each
from tests.support.rows import make_event, make_provider

REPEATED = {str(entry["task"]) for entry in settings.CELERY_BEAT_SCHEDULE.values()}


def postgres_error(error: psycopg.Error) -> OperationalError:
    raised = OperationalError("as Django raises it")
    raised.__cause__ = error
    return raised


def broker_error(error: Exception) -> BrokerError:
    raised = BrokerError("as kombu raises it, whatever the error")
    raised.__cause__ = error
    return raised


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis")
@pytest.mark.parametrize("name", sorted(REPEATED | {"streaming.poll_provider"}))
def test_an_outage_of_postgresql_leaves_no_failure(name: str) -> None:
    provider = make_provider()
    arguments = [provider.pk] if name == "streaming.poll_provider" else []
    settings_of = connection.settings_dict
    host, settings_of["HOST"] = settings_of["HOST"], "/nowhere"
    connection.close()
    try:
        with pytest.raises(Ignore):
            current_app.tasks[name].run(*arguments)
    finally:
        settings_of["HOST"] = host
        connection.close()


@pytest.mark.parametrize(
    "error",
    [
        postgres_error(psycopg.errors.AdminShutdown()),
        postgres_error(psycopg.errors.CannotConnectNow()),
        postgres_error(psycopg.errors.IdleSessionTimeout()),
        OperationalError("the connection is closed"),
        RedisConnectionError("refused"),
        broker_error(RedisConnectionError("refused")),
        broker_error(FileNotFoundError("no socket")),
    ],
)
def test_a_server_that_is_away_is_an_outage(error: Exception) -> None:
    with pytest.raises(Ignore), repeated_work():
        raise error


@pytest.mark.parametrize(
    "error",
    [
        postgres_error(psycopg.errors.LockNotAvailable()),
        postgres_error(psycopg.errors.QueryCanceled()),
        postgres_error(psycopg.errors.DiskFull()),
        ResponseError("OOM command not allowed"),
        broker_error(ResponseError("OOM command not allowed")),
        LookupError("no market 17"),
    ],
)
def test_a_server_that_answers_with_an_error_is_none(error: Exception) -> None:
    with pytest.raises(type(error)), repeated_work():
        raise error


def test_a_caller_of_the_function_gets_the_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streaming.tasks.unvalued_markets", lambda _: _refuse())
    with pytest.raises(OperationalError):
        tasks.sweep()


def test_a_step_that_fails_keeps_none_of_the_others_from_its_turn() -> None:
    done: list[str] = []
    with pytest.raises(LookupError, match="first"):
        run_each(
            lambda: done.append("before"),
            raising(LookupError("first")),
            lambda: done.append("between"),
            raising(broker_error(RedisConnectionError("refused"))),
            lambda: done.append("after"),
        )
    assert done == ["before", "between", "after"]


@pytest.mark.parametrize(
    "error", [SoftTimeLimitExceeded(), postgres_error(psycopg.errors.AdminShutdown())]
)
def test_without_time_or_postgresql_the_other_steps_are_left(error: Exception) -> None:
    done: list[str] = []
    with pytest.raises(type(error)):
        run_each(raising(error), lambda: done.append("after"))
    assert done == []


@pytest.mark.django_db
@pytest.mark.usefixtures("redis")
@pytest.mark.parametrize("step", ["unvalued_markets", "quarantine_unsafe", "age"])
def test_a_sweep_takes_closes_though_a_step_before_fails(
    monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    begun = make_event(commence_time=datetime.now(UTC) - timedelta(hours=1))
    monkeypatch.setattr(f"streaming.tasks.{step}", lambda *_: raising(LookupError(step))())
    with pytest.raises(LookupError, match=step):
        tasks.sweep()
    begun.refresh_from_db()
    assert begun.closed_for == begun.commence_time


@pytest.mark.django_db
def test_a_replay_that_an_outage_ends_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    task = tasks.poll_provider
    monkeypatch.setattr("streaming.tasks.newest_run", lambda _: 0)
    monkeypatch.setattr("streaming.tasks.poll", lambda *_: _refuse())
    task.push_request(**{"called_directly": False, REPLAY_HEADER: 1})
    stack = _state._task_stack  # type: ignore[attr-defined]  # left out of the stubs
    stack.push(task)
    try:
        with pytest.raises(OperationalError):
            task.run(1)
    finally:
        stack.pop()
        task.pop_request()


def _refuse() -> None:
    raise OperationalError("refused")


@pytest.mark.usefixtures("redis")
@pytest.mark.parametrize(
    "step", ["streaming.tasks.buffer.drain", "streaming.tasks.send_recomputes"]
)
def test_an_outage_of_redis_leaves_no_failure_of_a_flush(
    monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    buffer.push({1: 1}, get_config().coalesce, [])

    def refuse(*_: object, **__: object) -> None:
        raise RedisTimeoutError("Timeout reading from socket")

    monkeypatch.setattr(step, refuse)
    for shard in range(get_config().coalesce.shards):
        with pytest.raises(Ignore):
            tasks.coalesce_line_changes.run(shard)


def raising(error: Exception) -> Callable[[], None]:
    def step() -> None:
        raise error

    return step
