from __future__ import annotations

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db.models import QuerySet

from betting.config import get_config
from betting.config.secret_files import is_set
from betting.management.unchecked import UncheckedCommand
from betting.models import Clock, Provider
from streaming.forms.provider import ProviderForm
from streaming.management import provider_report as report
from streaming.management.lookup import provider_named
from streaming.models import PollOutcome, PollRun
from streaming.polling import remove_provider
from streaming.polling.poll import poll
from streaming.providers.registry import PLAYERS
from streaming.tasks import send_result

STALE_AFTER_INTERVALS = 3.0

#: Form field → the option that sets it, where the two differ in more than dashes.
OPTIONS = {
    "key": "KEY",
    "sports": "--sport",
    "interval_seconds": "--interval",
    "stale_after_seconds": "--stale-after",
}


class Command(UncheckedCommand):
    help = "Add, show, enable, disable, poll and remove the providers of odds."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        _add_arguments_of_add(actions.add_parser("add", help="add a provider"))
        listing = actions.add_parser("list", help="all providers")
        listing.add_argument("--json", action="store_true", help="for programs")
        for name, words in (
            ("show", "show a provider, its feeds and its latest polls"),
            ("enable", "poll it from the next tick on"),
            ("disable", "stop polling it; valuation leaves its quotes out once they are stale"),
            ("poll", "poll it now, in this process"),
            ("remove", "delete it with its quotes and their history"),
        ):
            action = actions.add_parser(name, help=words)
            action.add_argument("key", metavar="KEY")
            if name == "show":
                action.add_argument("--json", action="store_true", help="for programs")
            elif name == "remove":
                action.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *, action: str, **options: Any) -> None:
        if action == "add":
            self._add(options)
        elif action == "list":
            report.listing(self.stdout, Provider.objects.all(), as_json=options["json"])
        else:
            provider = provider_named(options["key"])
            getattr(self, f"_{action}")(provider, options)

    def _add(self, options: dict[str, Any]) -> None:
        form = ProviderForm(_form_data(options))
        if not form.is_valid():
            raise CommandError("\n".join(["the provider cannot be added:", *_problems(form)]))
        provider: Provider = form.save()
        what_next = "the next tick polls it" if provider.enabled else "it is disabled"
        self.stdout.write(f"added {provider.key}; {what_next}")
        if provider.api_key_env and not is_set(provider.api_key_env, os.environ):
            self.stderr.write(f"{provider.api_key_env} is not set here: set it for the workers")

    def _show(self, provider: Provider, options: dict[str, Any]) -> None:
        report.details(self.stdout, provider, as_json=options["json"])

    def _enable(self, provider: Provider, _options: dict[str, Any]) -> None:
        # Due at once, however long it was disabled.
        Provider.objects.filter(pk=provider.pk).update(enabled=True, next_poll_at=None)
        self.stdout.write(f"enabled {provider.key}")

    def _disable(self, provider: Provider, _options: dict[str, Any]) -> None:
        Provider.objects.filter(pk=provider.pk).update(enabled=False)
        self.stdout.write(f"disabled {provider.key}")

    def _poll(self, provider: Provider, _options: dict[str, Any]) -> None:
        if not provider.enabled:
            raise CommandError(
                f"{provider.key} is disabled; `manage.py provider enable {provider.key}` first"
            )
        newest = PollRun.objects.order_by("-id").values_list("id", flat=True).first() or 0
        for result in poll(provider.pk, get_config()):
            send_result(result)
        runs = PollRun.objects.filter(provider=provider, id__gt=newest).order_by("id")
        report.polls(self.stdout, runs)
        _refuse_failures(runs)

    def _remove(self, provider: Provider, options: dict[str, Any]) -> None:
        self.stdout.write(f"This deletes {provider.key} with:")
        for what, count in remove_provider.holdings(provider).items():
            self.stdout.write(f"  {count:,} {what}")
        if not options["yes"]:
            _confirm(provider)
        remove_provider.remove(provider)
        self.stdout.write(f"removed {provider.key}")


def _add_arguments_of_add(parser: ArgumentParser) -> None:
    config = get_config().poll
    add = parser.add_argument
    add("key", metavar="KEY", help="your name for it: letters, digits, - and _")
    add("--adapter", default="the_odds_api", help="its protocol; default: the_odds_api")
    add("--base-url", metavar="URL", help="default: the adapter's public address, if it has one")
    add("--sport", nargs="+", default=[], metavar="KEY", help="e.g. basketball_nba")
    add("--markets", nargs="+", default=["h2h", "spreads", "totals"], metavar="KEY",
        help="asked for all events of a sport; default: h2h spreads totals")  # fmt: skip
    add("--event-markets", nargs="+", default=[], metavar="KEY",
        help="asked for event by event: player props, alternate lines, periods")  # fmt: skip
    add("--regions", nargs="+", default=["us"], metavar="KEY", help="default: us")
    add("--bookmakers", nargs="+", default=[], metavar="KEY", help="bookmakers instead of regions")
    add("--odds-format", choices=["decimal", "american"], default="decimal")
    add("--interval", type=float, default=config.interval_seconds, metavar="SECONDS",
        help=f"between two polls; default: {config.interval_seconds:g}")  # fmt: skip
    add("--stale-after", type=float, metavar="SECONDS",
        help="silence after which its quotes are stale; default: three intervals, at least "
        f"{config.stale_after_seconds:g}")  # fmt: skip
    add("--api-key-env", default="", metavar="NAME", help="the variable that holds the API key")
    add("--disabled", action="store_true", help="do not poll it yet")


def _form_data(options: dict[str, Any]) -> dict[str, Any]:
    """Return the form's data. A recording keeps its own time and starts disabled."""
    is_recording = options["adapter"] in PLAYERS
    interval, stale_after = options["interval"], options["stale_after"]
    if stale_after is None:
        least = get_config().poll.stale_after_seconds
        stale_after = max(least, STALE_AFTER_INTERVALS * interval)
    lists = {
        name: ",".join(options[option])
        for name, option in [("sports", "sport"), *((n, n) for n in ProviderForm.LISTS[1:])]
    }
    return {
        **lists,
        "key": options["key"],
        "adapter": options["adapter"],
        "base_url": options["base_url"] or "",
        "odds_format": options["odds_format"],
        "api_key_env": options["api_key_env"],
        "interval_seconds": interval,
        "stale_after_seconds": stale_after,
        "clock": Clock.RECORDED if is_recording else Clock.WALL,
        "enabled": not (is_recording or options["disabled"]),
    }


def _problems(form: ProviderForm) -> list[str]:
    lines = []
    for name, errors in form.errors.items():
        option = OPTIONS.get(name, f"--{name.replace('_', '-')}")
        prefix = "" if name == "__all__" else f"{option}: "
        lines += [f"  - {prefix}{error}" for error in errors]
    return lines


def _refuse_failures(runs: QuerySet[PollRun]) -> None:
    failed = sum(run.outcome == PollOutcome.FAILED for run in runs)
    if failed:
        raise CommandError(f"{failed} of {len(runs)} requests failed")


def _confirm(provider: Provider) -> None:
    try:
        answer = input(f"Type {provider.key} to remove it: ")
    except EOFError:
        answer = ""
    if answer.strip() != provider.key:
        raise CommandError("not removed; to remove it without a question, add --yes")
