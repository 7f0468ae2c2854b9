from __future__ import annotations

from typing import Any

from streaming.management.commands import matches


class Command(matches.Command):
    """The former name of `manage.py matches`, kept for one release."""

    help = "The former name of `matches`."

    def handle(self, *, action: str, **options: Any) -> None:
        self.stderr.write("`manage.py events` is now `manage.py matches`; use the new name.")
        super().handle(action=action, **options)
