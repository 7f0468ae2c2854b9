"""A process imports what it uses, and not what libraries look for by themselves."""

from __future__ import annotations

import os
import subprocess
import sys
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


SHOW_AT_ITS_END = "import atexit, sys; atexit.register(lambda: print(*sys.modules)); "


@cache
def imported(start: str) -> set[str]:
    """The names of all modules of a process that has started so."""
    done = subprocess.run(
        [sys.executable, "-c", SHOW_AT_ITS_END + start],
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
    return {*done.stdout.splitlines()[-1].split()}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_process_starts_without_the_tracing_that_it_does_not_use(start: str) -> None:
    modules = imported(start)
    assert {"redis", "structlog"} <= modules
    assert not [name for name in modules if name.startswith("opentelemetry")]


@pytest.mark.parametrize("kind", ["worker", "command"])
def test_a_worker_and_a_command_start_without_the_client_of_http(kind: str) -> None:
    modules = imported(STARTS[kind])
    assert "streaming.bounded_http" in modules
    assert not {"aiohttp", "streaming.bounded_http.exchange"} & modules


def test_a_worker_starts_without_what_draws_on_terminals() -> None:
    assert "rich" not in imported(STARTS["worker"])


def test_what_a_library_was_imported_without_can_be_imported_later() -> None:
    later = "import betting.celery_process, rich.console, opentelemetry.sdk.metrics"
    assert {"rich.console", "opentelemetry.sdk.metrics"} <= imported(later)
