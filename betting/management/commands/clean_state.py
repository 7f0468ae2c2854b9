"""``manage.py clean_state``, which `make clean-state` runs."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from betting.config import get_config
from betting.runtime import embedded


class Command(BaseCommand):
    help = "Stop the private servers and delete this checkout's state directory, data included."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        try:
            removed = embedded.remove_state(get_config())
        except embedded.EmbeddedError as error:
            raise CommandError(str(error)) from error
        for path in removed:
            self.stdout.write(f"removed {path}")
        if not removed:
            self.stdout.write("There is no state to remove.")
