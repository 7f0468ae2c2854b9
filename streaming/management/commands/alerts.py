from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db import transaction

from betting.config import get_config
from betting.management.unchecked import UncheckedCommand
from streaming.alerts.carrier import test
from streaming.core.failures import PermanentFailure
from streaming.core.texts import did_you_mean
from streaming.forms.alert import AlertForm
from streaming.models import AlertSubscriber, SubscriberRecord
from streaming.models.alert import Timing
from streaming.runner.tables import write_table

HEADERS = ("subscriber", "URL", "enabled", "edges", "operations", "digest")


class Command(UncheckedCommand):
    help = "List, add, test and remove the subscribers to alerts."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        actions.add_parser("list", help="list the subscribers, without the secrets of their URLs")
        _add_arguments_of_add(
            actions.add_parser("add", help="add one; its Apprise URL is read from standard input")
        )
        for action, words in (("test", "send a test message now"), ("remove", "delete one")):
            actions.add_parser(action, help=words).add_argument("name", metavar="NAME")

    def handle(self, *, action: str, **options: Any) -> None:
        getattr(self, f"_{action}")(options)

    def _list(self, _options: dict[str, Any]) -> None:
        write_table(self.stdout, HEADERS, [_cells(row) for row in AlertSubscriber.objects.all()])

    def _add(self, options: dict[str, Any]) -> None:
        lists = {name: ",".join(options[name]) for name in AlertForm.LISTS}
        chosen = {"enabled": True, "wants_edges": not options["operations_only"]}
        form = AlertForm({**options, **lists, **chosen, "address": _url()})
        if not form.is_valid():
            words = (f"{name}: {error}" for name, errors in form.errors.items() for error in errors)
            raise CommandError("\n".join(["the subscriber cannot be added:", *words]))
        subscriber: AlertSubscriber = form.save()
        self.stdout.write(f"added {subscriber.name}, {subscriber.masked_url}")

    def _test(self, options: dict[str, Any]) -> None:
        subscriber = _subscriber(options["name"])
        failure = test(subscriber, get_config())
        if failure is not None:
            advice = failure.advice if isinstance(failure, PermanentFailure) else ""
            raise CommandError(f"{subscriber.key}: {failure} {advice}".strip())
        self.stdout.write(f"{subscriber.key} took the test message")

    def _remove(self, options: dict[str, Any]) -> None:
        subscriber = _subscriber(options["name"])
        with transaction.atomic():
            SubscriberRecord.objects.filter(subscriber=subscriber.key).delete()
            subscriber.delete()
        self.stdout.write(f"removed {subscriber.name}")


def _add_arguments_of_add(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("name", metavar="NAME", help="your name for it: letters, digits, - and _")
    add("--sports", nargs="+", default=[], metavar="KEY", help="of which sports; default: all")
    add("--bookmakers", nargs="+", default=[], metavar="KEY", help="at which ones; default: all")
    add("--min-ev", type=float, metavar="EV", help="the least expected value, e.g. 0.03")
    add("--max-ev", type=float, metavar="EV", help="the greatest expected value")
    add("--min-books", type=int, default=0, metavar="N", help="fewest bookmakers in the consensus")
    add("--start-hours", type=float, metavar="N", help="the event starts within so many hours")
    add("--timing", choices=Timing.values, default=Timing.PRE_MATCH, help="default: pre_match")
    add("--digest-minutes", type=int, default=0, metavar="N",
        help="one message in each such interval; default: each edge at once")  # fmt: skip
    add("--quiet-from", metavar="HH:MM", help="nothing is sent from here on …")
    add("--quiet-to", metavar="HH:MM", help="… to here")
    add("--time-zone", default="UTC", metavar="ZONE", help="of the quiet hours; default: UTC")
    add("--operations", dest="wants_operations", action="store_true",
        help="changes of health and dead letters, too")  # fmt: skip
    add("--operations-only", action="store_true", help="no edges; use it with --operations")


def _url() -> str:
    """Read the URL: an argument would be seen in the list of processes."""
    if sys.stdin.isatty():
        return getpass.getpass("Apprise URL: ")
    return sys.stdin.readline().strip()


def _subscriber(name: str) -> AlertSubscriber:
    subscriber = AlertSubscriber.objects.filter(name=name.removeprefix("alert:")).first()
    if subscriber is not None:
        return subscriber
    names = list(AlertSubscriber.objects.values_list("name", flat=True))
    known = f"there are {', '.join(names)}" if names else "none has been added"
    raise CommandError(f"no subscriber {name!r}{did_you_mean(name, names)}; {known}")


def _cells(row: AlertSubscriber) -> tuple[str, ...]:
    return (
        row.key,
        row.masked_url,
        "yes" if row.enabled else "no",
        "yes" if row.wants_edges else "no",
        "yes" if row.wants_operations else "no",
        f"{row.digest_minutes} min" if row.digest_minutes else "at once",
    )
