"""Real worker processes on the tests' own database and Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import F

from betting.config import Config
from betting.models import Market
from betting.runtime.embedded import redis_url
from betting.runtime.supervisor import Program, Supervisor
from streaming.runner.processes import value_workers
from streaming.runner.run_loop import workers_answer
from tests.betting.runtime.embedded.clients import database_url

CHECKOUT = Path(__file__).parents[2]
DEADLINE_SECONDS = 30.0

#: Importing them for their doctests would register their tasks and handlers in this process, and
#: apply their settings to it.
collect_ignore = ["failing_tasks.py", "stack_settings.py", "subscribing", "unwatched_settings.py"]


def wait_until(
    condition: Callable[[], bool],
    what: str | Callable[[], str],
    seconds: float = DEADLINE_SECONDS,
) -> None:
    """Poll a condition; what it waits for is named when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            named = what if isinstance(what, str) else what()
            pytest.fail(f"waited {seconds:.0f} s for {named}")
        time.sleep(0.02)


def all_valued() -> bool:
    return not Market.objects.exclude(version=F("valued_version")).exists()


def environment_of_workers(servers: Config) -> dict[str, str]:
    """What leads a process to the tests' own database and Redis."""
    return {
        "DATABASE_URL": database_url(connection.settings_dict),
        "REDIS_URL": redis_url(servers),
        "CELERY_SKIP_CHECKS": "1",  # as in a run
    }


def nodes_of(programs: list[Program]) -> list[str]:
    """The names on the broker of those programs that are workers."""
    return [
        argument
        for program in programs
        for flag, argument in zip(program.command, program.command[1:], strict=False)
        if flag == "--hostname"
    ]


@contextmanager
def running(
    programs: list[Program], servers: Config, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Supervisor]:
    """Workers on the tests' database and Redis."""
    for name, value in environment_of_workers(servers).items():
        monkeypatch.setenv(name, value)
    supervisor = Supervisor([programs], logs)
    supervisor.start()
    try:
        wait_until(lambda: workers_answer(nodes_of(programs)), "the workers")
        yield supervisor
    finally:
        supervisor.stop()


@pytest.fixture
def valuers(
    servers: Config,
    redis: object,  # noqa: ARG001 - asks for a fixture
    transactional_db: None,  # noqa: ARG001 - the workers must see what is committed
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Supervisor]:
    """The coalescing, valuing and major workers, on the tests' database."""
    with running(value_workers(servers), servers, tmp_path / "logs", monkeypatch) as supervisor:
        yield supervisor
