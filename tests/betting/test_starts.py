"""A process starts without what it does not use, and without searching for garbage meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache

import pytest

from betting.config import CHECKOUT

STARTS = {
    "worker": "from betting.celery_process import app; app.loader.import_default_modules()",
    "command": (
        "import manage; manage.execute_from_command_line(['manage.py', 'provider', '--help'])"
    ),
    "web": "import betting.web.wsgi",
}


#: At its end, to which Python goes on collecting: a command shows it as well.
SHOW = """
import atexit, gc, sys
atexit.register(lambda: print(gc.isenabled(), gc.get_freeze_count(), *sys.modules))
"""


@dataclass(frozen=True)
class Started:
    """A process that has started.

    Attributes:
        collects: whether it searches for garbage.
        frozen: how many objects it leaves out.
        modules: the names of all that it has imported.
    """

    collects: bool
    frozen: int
    modules: set[str]


@cache
def started(start: str) -> Started:
    """What a process that has started so says at its end."""
    done = subprocess.run(
        [sys.executable, "-c", SHOW + start],
        cwd=CHECKOUT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "betting.settings",
            "CELERY_SKIP_CHECKS": "1",  # as in a run
        },
        capture_output=True,
        text=True,
        check=True,
    )
    collects, frozen, *modules = done.stdout.splitlines()[-1].split()
    return Started(collects == "True", int(frozen), {*modules})


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_process_collects_garbage_once_it_has_started(start: str) -> None:
    assert started(start).collects
    assert started(start).frozen > 100_000


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_process_starts_without_the_tracing_that_it_does_not_use(start: str) -> None:
    modules = started(start).modules
    assert {"redis", "structlog"} <= modules
    assert not [name for name in modules if name.startswith("opentelemetry")]


@pytest.mark.parametrize("kind", ["worker", "command"])
def test_a_worker_and_a_command_start_without_the_client_of_http(kind: str) -> None:
    modules = started(STARTS[kind]).modules
    assert "streaming.bounded_http" in modules
    assert not {"aiohttp", "streaming.bounded_http.exchange"} & modules


def test_a_worker_starts_without_what_draws_on_terminals() -> None:
    assert "rich" not in started(STARTS["worker"]).modules


def test_what_a_library_was_imported_without_can_be_imported_later() -> None:
    later = "import betting.celery_process, rich.console, opentelemetry.sdk.metrics"
    assert {"rich.console", "opentelemetry.sdk.metrics"} <= started(later).modules
