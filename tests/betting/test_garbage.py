"""A start that collects no garbage ends as soon as Django is set up."""

from __future__ import annotations

import subprocess
import sys

import pytest

from betting.config import CHECKOUT

SHOW = "import gc; print(gc.isenabled(), gc.get_freeze_count() > 100_000)"


@pytest.mark.parametrize(
    "start",
    [
        "import betting.web.wsgi",
        "from betting.celery_process import app; app.loader.import_default_modules()",
        (
            "import os, manage; os.environ['DJANGO_SETTINGS_MODULE'] = 'betting.settings';"
            " manage.execute_from_command_line(['manage.py', 'diffsettings', '--output', 'hash'])"
        ),
    ],
    ids=["web", "worker", "command"],
)
def test_a_process_collects_garbage_once_it_has_started(start: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{start}; {SHOW}"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "True True"
