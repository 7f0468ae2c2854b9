"""``manage.py configuration``: the current configuration, and the reference of all variables."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from betting.config import CHECKOUT, get_config, known_variables
from betting.config.reference import env_example, text_in, with_tables


class Command(BaseCommand):
    help = (
        "Show every setting as it is now; with --write, renew the reference in the documentation."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--write",
            action="store_true",
            help="write .env.example and the tables of docs/configuration.md instead",
        )

    def handle(self, *args: Any, write: bool, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        if write:
            document = CHECKOUT / "docs" / "configuration.md"
            document.write_text(with_tables(document.read_text()))
            (CHECKOUT / ".env.example").write_text(env_example())
            return
        config = get_config()
        for variable in known_variables():
            text = text_in(config, variable)
            if variable.is_secret and text:
                text = "(set)"
            self.stdout.write(f"{variable.name}={text}")
