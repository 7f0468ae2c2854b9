from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from betting.config import get_config
from betting.management.unchecked import UncheckedCommand
from streaming.core.failures import PermanentFailure
from streaming.core.notifications import TYPES
from streaming.core.texts import did_you_mean
from streaming.forms.webhook import WebhookForm
from streaming.models import WebhookSubscriber
from streaming.notifications.delivery import send_test
from streaming.notifications.handlers import handler_routes
from streaming.notifications.subscriber_health import SubscriberHealth, health_of_all
from streaming.notifications.webhooks import subscribe, unsubscribe
from streaming.runner.tables import write_table

HEADERS = (
    "subscriber", "enabled", "state", "deliveries", "failed", "recently", "p50", "p95",
    "last error",
)  # fmt: skip


class Command(UncheckedCommand):
    help = "List, add, test and remove the subscribers to events."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        listing = actions.add_parser("list", help="list webhooks and handlers with their state")
        listing.add_argument("--json", action="store_true", help="for programs")
        _add_arguments_of_add(actions.add_parser("add", help="add a webhook and show its secret"))
        test = actions.add_parser("test", help="send a test notification now, from this process")
        test.add_argument("key", metavar="NAME", help="a webhook's name, or handler:NAME")
        remove = actions.add_parser("remove", help="delete a webhook")
        remove.add_argument("name", metavar="NAME")

    def handle(self, *, action: str, **options: Any) -> None:
        getattr(self, f"_{action}")(options)

    def _list(self, options: dict[str, Any]) -> None:
        rows = health_of_all()
        if options["json"]:
            self.stdout.write(json.dumps([row.as_json() for row in rows], indent=2))
        else:
            write_table(self.stdout, HEADERS, [_cells(row) for row in rows])

    def _add(self, options: dict[str, Any]) -> None:
        lists = {name: ",".join(options[name]) for name in WebhookForm.LISTS}
        form = WebhookForm({**options, **lists, "enabled": True})
        if not form.is_valid():
            words = (f"{name}: {error}" for name, errors in form.errors.items() for error in errors)
            raise CommandError("\n".join(["the webhook cannot be added:", *words]))
        webhook: WebhookSubscriber = form.save(commit=False)
        secret = subscribe(webhook)
        self.stdout.write(f"added {webhook.name}\nits secret, shown this once: {secret}")

    def _test(self, options: dict[str, Any]) -> None:
        key = options["key"] if ":" in options["key"] else _webhook(options["key"]).key
        try:
            failure = send_test(key, get_config())
        except LookupError as error:
            raise CommandError(str(error)) from None
        if failure is not None:
            advice = failure.advice if isinstance(failure, PermanentFailure) else ""
            raise CommandError(f"{key}: {failure} {advice}".strip())
        self.stdout.write(f"{key} took the test notification")

    def _remove(self, options: dict[str, Any]) -> None:
        webhook = _webhook(options["name"])
        unsubscribe(webhook)
        self.stdout.write(f"removed {webhook.name}")


def _add_arguments_of_add(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("name", metavar="NAME", help="your name for it: letters, digits, - and _")
    add("url", metavar="URL", help="where events are posted to")
    add("--types", nargs="+", default=[], metavar="TYPE",
        help=f"which events; default: all of {', '.join(TYPES)}")  # fmt: skip
    add("--sports", nargs="+", default=[], metavar="KEY", help="of which sports; default: all")
    add("--min-ev", type=float, metavar="EV", help="the least expected value of an edge, e.g. 0.03")


def _webhook(name: str) -> WebhookSubscriber:
    webhook = WebhookSubscriber.objects.filter(name=name).first()
    if webhook is not None:
        return webhook
    names = list(WebhookSubscriber.objects.values_list("name", flat=True))
    keys = [*names, *(route.subscriber for route in handler_routes())]
    known = f"there are {', '.join(keys)}" if keys else "none has been added"
    raise CommandError(f"no webhook {name!r}{did_you_mean(name, keys)}; {known}")


def _cells(row: SubscriberHealth) -> tuple[str, ...]:
    values = row.as_json()
    return (
        values["subscriber"],
        "yes" if row.is_enabled else "no",
        row.words,
        f"{values['deliveries']:,}",
        f"{values['failures']:,}",
        f"{row.failure_rate:.0%}",
        _milliseconds(values["p50_ms"]),
        _milliseconds(values["p95_ms"]),
        values["last_error"],
    )


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"≤ {value:,.0f} ms"
