#!/usr/bin/env python3
"""Hardline's command line: `python manage.py help` lists the commands.

Any command works without a prior step: the private servers are started when they are needed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

try:
    from django.core.management import execute_from_command_line

    from betting.config import get_config
    from betting.embedded import EmbeddedError, ensure_running
    from betting.environment import ConfigError, parse_env_file
except ModuleNotFoundError as error:
    sys.exit(
        f"{error.name} is not installed here: `make setup`, then `.venv/bin/python manage.py`."
    )

ENV_FILE = Path(__file__).resolve().parent / ".env"

#: The commands that use neither PostgreSQL nor Redis, or see to the servers themselves.
WITHOUT_SERVERS = frozenset(
    {
        "baseline",
        "check",
        "clean_state",
        "collectstatic",
        "configuration",
        "diffsettings",
        "findstatic",
        "help",
        "run",
        "services",
        "simulate_provider",
        "version",
    }
)


def needs_servers(arguments: list[str]) -> bool:
    """Whether a command line, without the program's name, needs PostgreSQL and Redis."""
    if not arguments or not {"-h", "--help", "--version"}.isdisjoint(arguments):
        return False
    return arguments[0] not in WITHOUT_SERVERS


def main() -> None:
    """Read the configuration, start what is needed, and run the command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "betting.settings")
    if ENV_FILE.is_file():
        for name, value in parse_env_file(ENV_FILE.read_text(encoding="utf-8")).items():
            os.environ.setdefault(name, value)
    try:
        config = get_config()
        if needs_servers(sys.argv[1:]):
            ensure_running(config)
        execute_from_command_line(sys.argv)
    except (ConfigError, EmbeddedError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
