"""Every way a task can end badly, caused for real in real workers, ends in exactly one letter."""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import current_app
from django.db import connection
from redis import Redis

from betting.config import CHECKOUT, Config
from betting.db.outages import OUTAGES
from betting.runtime.embedded import ensure_running, status
from betting.runtime.supervisor import Program, Supervisor
from streaming.core.letters import Kind
from streaming.dead_letters import replay
from streaming.dead_letters.capture import store_spooled
from streaming.dead_letters.celery_hooks import MAX_DELIVERIES
from streaming.dead_letters.spool import FILE, waiting_in_redis
from streaming.models import (
    ActionOutcome,
    DeadLetter,
    DeadLetterAction,
    DeadLetterOccurrence,
    LetterStatus,
)
from streaming.runner.run_loop import workers_answer
from tests.integration.conftest import environment_of_workers, wait_until

QUEUE = "valuation"
NODE = "failing@tests"
SOUND = json.dumps([["x"], {}, None]).encode()

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]


@pytest.fixture
def environment(
    servers: Config,
    redis: Redis,  # noqa: ARG001 - asks for a fixture
    transactional_db: None,  # noqa: ARG001 - the workers must see what is committed
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The workers' environment: the tests' own servers."""
    for name, value in environment_of_workers(servers).items():
        monkeypatch.setenv(name, value)


@contextmanager
def failing_worker(logs: Path, *options: str) -> Iterator[Supervisor]:
    """A worker that knows the tasks that fail."""
    command = (
        sys.executable, "-m", "betting.celery_process", "worker", "--hostname", NODE,
        "--queues", QUEUE, "--include", "tests.integration.failing_tasks", "--without-gossip",
        "--without-mingle", *options,
    )  # fmt: skip
    supervisor = Supervisor([[Program("failing", command, CHECKOUT, {})]], logs)
    supervisor.start()
    try:
        wait_until(lambda: workers_answer([NODE]), "the worker")
        yield supervisor
    finally:
        supervisor.stop()


def send(task: str, folder: Path, name: str, **options: Any) -> None:
    # Sent by name, a message asks for its result unless it says otherwise.
    options = {"ignore_result": task != "tests.returns_no_json", **options}
    current_app.send_task(task, args=[str(folder), name], queue=QUEUE, **options)


def envelope(body: bytes, **headers: Any) -> dict[str, Any]:
    """A message as kombu puts it on a Redis list."""
    return {
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "id": uuid4().hex, "retries": 0, **headers},
        "properties": {
            "correlation_id": uuid4().hex,
            "delivery_mode": 2,
            "delivery_info": {"exchange": QUEUE, "routing_key": QUEUE},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid4()),
        },
    }


def in_envelope(**properties: Any) -> dict[str, Any]:
    """A sound message in an envelope with these properties."""
    message = envelope(SOUND, task="tests.works")
    return {**message, "properties": {**message["properties"], **properties}}


def without(message: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name not in names}


@dataclass(frozen=True)
class Failure:
    """One way to fail: the task that does, and the kind of its letter."""

    task: str
    kind: Kind
    exception: str


FAILURES = (
    Failure("tests.raises", Kind.EXCEPTION, "LookupError"),
    Failure("tests.retries", Kind.EXCEPTION, "LookupError"),
    Failure("tests.overstays", Kind.TIME_LIMIT, "SoftTimeLimitExceeded"),
    Failure("tests.hangs", Kind.TIME_LIMIT, "TimeLimitExceeded"),
    Failure("tests.dies", Kind.WORKER_LOST, "DeliveriesExhaustedError"),
    Failure("tests.dies_acknowledged", Kind.WORKER_LOST, "WorkerLostError"),
    Failure("tests.rejects", Kind.REJECTED, "Reject"),
    Failure("tests.returns_no_json", Kind.RESULT, "EncodeError"),
    Failure("tests.fails_with_its_hook", Kind.HOOK, "RuntimeError"),
)

MESSAGES: dict[str, str | bytes | dict[str, Any]] = {
    "no JSON at all": b"{ not json",
    "no text at all": b"\xff\xfe\x00",
    "JSON and no envelope": "[1, 2, 3]",
    "an envelope without properties": without(envelope(SOUND, task="tests.works"), "properties"),
    "a body that is no base64": {**envelope(SOUND, task="tests.works"), "body": "%"},
    "nested too deeply": "[" * 200_000,
    "a body that is no JSON": envelope(b"{ not json", task="tests.works"),
    "arguments that are none": envelope(b'{"a": 1}', task="tests.works"),
    "no task": envelope(SOUND),
    "no id": envelope(SOUND, task="tests.works", id=None),
    "no time": envelope(SOUND, task="tests.works", eta="soon"),
    "a time of another type": envelope(SOUND, task="tests.works", eta={}),
    "an end of another type": envelope(SOUND, task="tests.works", expires={}),
    "stamps of another type": envelope(
        SOUND, task="tests.works", stamped_headers=5, expires="2100-01-01T00:00:00+00:00"
    ),
    "an encoding of another type": {
        **envelope(SOUND, task="tests.works"),
        "content-encoding": 5,
    },
    "no delivery info": in_envelope(delivery_info=None),
    "delivery info of another type": in_envelope(delivery_info="x"),
    "no delivery tag": in_envelope(delivery_tag=None),
    "a delivery tag that is an object": in_envelope(delivery_tag={}),
    "a delivery tag that is a list": in_envelope(delivery_tag=[]),
    "an unaccepted type": {
        **envelope(SOUND, task="tests.works"),
        "content-type": "application/x-python-serialize",
    },
    "too large": envelope(b'[["' + b"x" * 2_000_000 + b'"], {}, null]', task="tests.works"),
}


def push(redis: Redis, message: str | bytes | dict[str, Any]) -> None:
    redis.lpush(QUEUE, json.dumps(message) if isinstance(message, dict) else message)


def letters(kind: Kind | None = None) -> list[tuple[str, str]]:
    rows = DeadLetter.objects.all() if kind is None else DeadLetter.objects.filter(kind=kind)
    return sorted(rows.values_list("task", "kind"))


def unreadable() -> int:
    """Messages that never became tasks; some of them are alike and share a row."""
    return DeadLetterOccurrence.objects.filter(kind=Kind.UNDECODABLE).count()


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.usefixtures("environment")
def test_every_failure_leaves_one_letter_from_which_the_work_is_done(
    tmp_path: Path, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    harmless = ("tests.works", "tests.works_at_the_second_try", "tests.dies_once")
    expected = [(failure.task, failure.kind.value) for failure in FAILURES]
    with failing_worker(tmp_path / "logs", "--concurrency", "3") as supervisor:
        for message in MESSAGES.values():
            push(redis, message)
        wait_until(lambda: unreadable() >= len(MESSAGES), "the undecodable messages")
        rows = len(letters())
        assert not supervisor.tend(), "the worker outlives them"
        for failure in FAILURES:
            send(failure.task, folder, failure.task)
        for task in harmless:
            send(task, folder, task)
        send("tests.nobody_knows", folder, "unknown", task_id="unknown")
        expected.append(("tests.nobody_knows", Kind.UNKNOWN_TASK.value))

        def has_ended() -> bool:
            done = all(lines(folder / task) for task in harmless)
            return done and len(letters()) >= rows + len(expected)

        wait_until(has_ended, "a letter for each failure")

        assert unreadable() == len(MESSAGES)
        failed = DeadLetter.objects.exclude(kind=Kind.UNDECODABLE)
        assert sorted(failed.values_list("task", "kind")) == sorted(expected)
        for failure in FAILURES:
            letter = failed.get(task=failure.task)
            assert letter.exception.endswith(failure.exception)
            assert (letter.args, letter.kwargs) == ([str(folder), failure.task], {})
            assert (letter.queue, letter.worker, letter.is_complete) == (QUEUE, NODE, True)
            assert (letter.count, letter.status) == (1, LetterStatus.NEW)
            assert letter.message
        assert failed.get(task="tests.retries").retries == 2
        assert "failing_tasks.py" in failed.get(task="tests.raises").traceback
        assert len(lines(folder / "tests.dies.deaths")) == MAX_DELIVERIES

        # Not mended yet: a replay fails into its own letter.
        two = failed.filter(task__in=["tests.raises", "tests.retries"])
        assert replay.request_replays(two, "ana") == 2
        assert replay.request_replays(two, "bob") == 0
        assert replay.send_due_replays() == 2
        wait_until(lambda: two.filter(count=2).count() == 2, "the failures of the replays")
        assert set(two.values_list("status", flat=True)) == {LetterStatus.NEW}
        outcomes = DeadLetterAction.objects.values_list("outcome", flat=True)
        assert set(outcomes) == {ActionOutcome.FAILED}
        assert failed.count() == len(expected)

        (folder / "mended").touch()
        known = failed.exclude(kind=Kind.UNKNOWN_TASK)
        assert replay.request_replays(known, "ana") == len(FAILURES)
        monkeypatch.setattr(replay, "PER_SECOND", 100)
        assert replay.send_due_replays() == len(FAILURES)
        wait_until(lambda: not known.exclude(status=LetterStatus.REPLAYED).exists(), "the replays")
    for failure in FAILURES:
        assert lines(folder / failure.task) == ["done"], failure.task
    assert failed.count() == len(expected)
    for task in harmless:
        assert lines(folder / task) == ["done"], task


@pytest.mark.usefixtures("environment")
def test_a_pool_of_threads_goes_on_after_more_failures_than_it_has_threads(
    tmp_path: Path, redis: Redis
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    options = ("--pool", "threads", "--concurrency", "2")
    with failing_worker(tmp_path / "logs", *options) as supervisor:
        for message in MESSAGES.values():
            push(redis, message)
        for number in range(4):
            send("tests.fails_with_its_hook", folder, f"hook-{number}")
        send("tests.works", folder, "well")
        wait_until(lambda: bool(lines(folder / "well")), "the task behind them")
        assert not supervisor.tend(), "the worker outlives them"
        assert unreadable() == len(MESSAGES)
        expected = [("tests.fails_with_its_hook", Kind.HOOK.value)] * 4
        # The other thread may still be at the last of them.
        wait_until(lambda: letters(Kind.HOOK) == expected, "the letters of the hooks")
        wait_until(lambda: not redis.hlen("unacked"), "every message to be let go")


def kill(config: Config, name: str) -> None:
    (server,) = (server for server in status(config) if server.name == name)
    assert server.pid is not None
    # PostgreSQL ends its backends with it: no checkpoint, as in a power cut.
    os.kill(server.pid, signal.SIGQUIT if name == "PostgreSQL" else signal.SIGKILL)
    wait_until(lambda: not any(s.is_running for s in status(config) if s.name == name), "its end")


@pytest.mark.parametrize("away", [("PostgreSQL",), ("PostgreSQL", "Redis")], ids=str)
@pytest.mark.usefixtures("environment")
def test_letters_of_an_outage_all_arrive_once_when_the_servers_are_back(
    tmp_path: Path, servers: Config, away: tuple[str, ...]
) -> None:
    tasks = 50
    folder = tmp_path / "work"
    folder.mkdir()
    names = {f"task-{number}" for number in range(tasks)}

    def wait_in_spool() -> bool:
        return waiting() >= tasks

    def waiting() -> int:
        if "Redis" in away:
            return len(lines(servers.home / FILE))
        return waiting_in_redis()

    options = ("--pool", "threads", "--concurrency", str(tasks))
    with failing_worker(tmp_path / "logs", *options):
        for name in sorted(names):
            send("tests.waits_and_raises", folder, name)
        wait_until(lambda: len(list(folder.glob("*.begun"))) == tasks, "all tasks to begin")
        connection.close()
        for server in away:
            kill(servers, server)
        try:
            (folder / "go").touch()
            wait_until(wait_in_spool, "the letters")
        finally:
            ensure_running(servers)
        assert not DeadLetter.objects.exists()
        stored = 0

        def are_stored() -> bool:
            nonlocal stored
            with suppress(*OUTAGES):
                stored += store_spooled(servers)
            return DeadLetter.objects.count() >= tasks

        wait_until(are_stored, "the letters' rows")
    rows = DeadLetter.objects.values_list("args", "count", "kind")
    assert {args[1] for args, _, _ in rows} == names
    assert {(count, kind) for _, count, kind in rows} == {(1, Kind.EXCEPTION.value)}
    assert len(rows) == stored == tasks
