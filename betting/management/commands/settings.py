from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from betting.config import get_config
from betting.config.env import ConfigError
from betting.config.live import live_variables, source_of
from betting.config.reference import accepted, text_in
from betting.db import live_settings
from betting.management.login import login_name
from betting.management.unchecked import UncheckedCommand
from betting.models import SettingChange
from streaming.core.texts import did_you_mean


class Command(UncheckedCommand):
    help = "Show and change the settings that apply while everything runs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        actions.add_parser("list", help="all live settings: value, where from, what is accepted")
        change = actions.add_parser("set", help="change one; every process follows within seconds")
        change.add_argument("name", metavar="NAME", help="the variable, e.g. HARDLINE_…_MIN_BOOKS")
        change.add_argument("value", metavar="VALUE", help="as in the environment")
        reset = actions.add_parser("reset", help="give one the environment's value again")
        reset.add_argument("name", metavar="NAME")
        for action in (change, reset):
            action.add_argument("--reason", required=True, help="stored with your name and time")
        actions.add_parser("history", help="the newest 50 changes")

    def handle(self, *, action: str, **options: Any) -> None:
        if action == "list":
            self._list()
        elif action == "history":
            self._history()
        else:
            self._change(options["name"], options.get("value", ""), options["reason"])

    def _list(self) -> None:
        config = get_config()
        for variable in live_variables():
            value = text_in(config, variable)
            terms = f"({source_of(variable)}; {accepted(variable)})"
            self.stdout.write(f"{variable.name}={value} {terms}")

    def _history(self) -> None:
        for change in SettingChange.objects.order_by("-id")[:50]:
            self.stdout.write(
                f"{change.changed_at:%Y-%m-%d %H:%M:%S} {change.changed_by}: {change}"
                f"{' – ' if change.reason else ''}{change.reason}"
            )

    def _change(self, name: str, value: str, reason: str) -> None:
        try:
            live_settings.change(name, value, f"shell:{login_name()}", reason)
        except live_settings.UnknownSettingError:
            names = [variable.name for variable in live_variables()]
            raise CommandError(f"{name} is no live setting{did_you_mean(name, names)}") from None
        except ConfigError as error:
            raise CommandError("; ".join(error.problems)) from None
        (variable,) = (each for each in live_variables() if each.name == name)
        now = text_in(get_config(), variable)
        self.stdout.write(f"{name}={now}; running processes follow within seconds")
