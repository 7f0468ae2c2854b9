"""``manage.py services start|stop|status``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from betting.config import get_config
from betting.runtime import embedded

#: The exit status of `status` if a server of ours does not run, as defined by the LSB.
NOT_RUNNING = 3


class Command(BaseCommand):
    help = "Start or stop the private PostgreSQL and Redis servers, or show their state."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["start", "stop", "status"])

    def handle(self, *args: Any, action: str, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        config = get_config()
        try:
            if action == "start":
                embedded.start(config)
            elif action == "stop":
                embedded.stop(config)
        except embedded.EmbeddedError as error:
            raise CommandError(str(error)) from error
        servers = embedded.status(config)
        for server in servers:
            self.stdout.write(describe(server))
        if action == "status" and not all(s.is_running or s.is_external for s in servers):
            raise SystemExit(NOT_RUNNING)


def describe(server: embedded.Status) -> str:
    """Describe a server's state in one line."""
    if server.is_external:
        return f"{server.name}: not ours, set by {server.address}"
    if server.is_running:
        return f"{server.name}: running (process {server.pid}) at {server.address}"
    if server.pid is not None:
        return f"{server.name}: process {server.pid} runs but does not answer at {server.address}"
    return f"{server.name}: stopped"
