from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from betting.config import CHECKOUT
from streaming.runner.systemd import TARGET, Installation, units


class Command(BaseCommand):
    help = (
        "Write units of systemd for this checkout: one service for each process, the migrations"
        " before them, and a timer. They run on servers of your own."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add(
            "--dir",
            type=Path,
            required=True,
            help="where to write them",
        )
        add("--user", default="hardline", help="the account that the processes run as")

    def handle(self, **options: Any) -> None:
        # The interpreter of the virtual environment, and not what its link leads to.
        python = Path(sys.prefix, "bin", "python")
        installation = Installation(CHECKOUT, python, options["user"])
        directory: Path = options["dir"]
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for name, text in units(installation).items():
                (directory / name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{directory} cannot be written: {error.strerror}") from error
        self.stdout.write(
            f"Wrote {len(units(installation))} units into {directory}. Put the secrets into"
            f" {installation.configuration}/secrets, then `systemctl daemon-reload` and"
            f" `systemctl enable --now {TARGET}`."
        )
