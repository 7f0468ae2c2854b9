from __future__ import annotations

import os
import subprocess
import sys

from betting.config import CHECKOUT

SET_UP_THEN_CHECK = """
import sys
import django
from django.core.checks import run_checks
pages = {"betting.web.admin", "streaming.admin"}
django.setup()
print(sorted(pages & sys.modules.keys()))
problems = run_checks(tags=["admin"])
print(sorted(pages & sys.modules.keys()), problems)
"""


def test_a_process_imports_no_page_unless_it_shows_or_checks_them() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SET_UP_THEN_CHECK],
        cwd=CHECKOUT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "betting.settings"},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    before, after = done.stdout.splitlines()
    assert before == "[]"
    assert after == "['betting.web.admin', 'streaming.admin'] []"
