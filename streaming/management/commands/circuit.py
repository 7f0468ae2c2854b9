from __future__ import annotations

from argparse import ArgumentParser
from typing import Any, cast

from django.core.management.base import CommandError

from betting.db.clock import database_now
from betting.management.login import login_name
from betting.management.unchecked import UncheckedCommand
from betting.models import Provider
from streaming.core.breaker import Command as Given
from streaming.core.texts import did_you_mean
from streaming.management.feed_report import feeds, feeds_of
from streaming.management.lookup import provider_named
from streaming.management.provider_report import circuits, transitions
from streaming.models import Circuit, FeedCircuit
from streaming.polling import feed_circuits
from streaming.polling.circuits import give_command
from streaming.tasks import send_quarantine


class Command(UncheckedCommand):
    help = "Show the circuits between providers and their polls, and override them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        show = actions.add_parser("show", help="show all circuits, or one with its history")
        show.add_argument("key", metavar="PROVIDER", nargs="?")
        show.add_argument("--json", action="store_true", help="for programs")
        for name, words in (
            ("open", "refuse every call and take the provider's prices off the board"),
            ("close", "let every call pass, even if calls fail"),
            ("reset", "close the circuit and let the calls decide again"),
            ("disable", "let every call pass and only count failures"),
        ):
            action = actions.add_parser(name, help=words)
            action.add_argument("key", metavar="PROVIDER")
            action.add_argument("--reason", required=True, help="stored with your name and time")
            if name == "reset":
                action.add_argument("--feed", metavar="FEED", help="only this feed of the provider")

    def handle(self, *, action: str, **options: Any) -> None:
        if action == "show":
            self._show(options["key"], as_json=options["json"])
        elif options.get("feed"):
            self._reset_feed(provider_named(options["key"]), options["feed"], options["reason"])
        else:
            self._command(provider_named(options["key"]), cast("Given", action), options["reason"])

    def _show(self, key: str | None, *, as_json: bool) -> None:
        rows = Circuit.objects.select_related("provider").order_by("provider__key")
        if key is None:
            circuits(self.stdout, rows, as_json=as_json)
            return
        provider = provider_named(key)
        circuits(self.stdout, rows.filter(provider=provider), as_json=as_json)
        if not as_json:
            feeds(self.stdout, feeds_of(provider))
            transitions(self.stdout, provider)

    def _command(self, provider: Provider, command: Given, reason: str) -> None:
        try:
            circuit = give_command(provider, command, reason, _actor(), database_now())
        except ValueError as error:
            raise CommandError(str(error)) from error
        if command == "open":
            send_quarantine(provider.pk)
        self.stdout.write(f"{provider.key}: {circuit.mode}, {circuit.state}")

    def _reset_feed(self, provider: Provider, feed: str, reason: str) -> None:
        try:
            count = feed_circuits.reset(provider, reason, _actor(), database_now(), feed)
        except ValueError as error:
            raise CommandError(str(error)) from error
        if not count:
            rows = FeedCircuit.objects.filter(provider=provider)
            near = did_you_mean(feed, list(rows.values_list("feed", flat=True)))
            raise CommandError(f"the polls of {provider.key} ask for no feed {feed}{near}")
        self.stdout.write(f"{provider.key} {feed}: automatic, closed")


def _actor() -> str:
    return f"shell:{login_name()}"
