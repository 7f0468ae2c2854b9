#!/usr/bin/env python3
"""Hardline's command line: `python manage.py help` lists the commands.

Any command works without a prior step: it starts the private servers and creates their tables if
it needs them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from betting.garbage import stop_collecting
from betting.lean_imports import import_lean

stop_collecting()
try:
    import_lean()
    from django.core.management import execute_from_command_line

    from betting.config import get_config
    from betting.config.env import ConfigError, parse_env_file
    from betting.management.needs import need_of, prepare
    from betting.runtime.embedded import EmbeddedError
except ModuleNotFoundError as error:
    sys.exit(
        f"{error.name} is not installed here: `make setup`, then `.venv/bin/python manage.py`."
    )

ENV_FILE = Path(__file__).resolve().parent / ".env"


def main() -> None:
    """Read the configuration, start what is needed, and run the command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "betting.settings")
    if ENV_FILE.is_file():
        for name, value in parse_env_file(ENV_FILE.read_text(encoding="utf-8")).items():
            os.environ.setdefault(name, value)
    try:
        prepare(get_config(), need_of(sys.argv[1:]))
        execute_from_command_line(sys.argv)
    except (ConfigError, EmbeddedError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
