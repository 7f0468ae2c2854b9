from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.management.base import CommandError
from django.forms import modelform_factory

from betting.management.unchecked import UncheckedCommand
from betting.models import Bookmaker, BookmakerWeight
from streaming.core.texts import did_you_mean
from streaming.runner.tables import write_table
from valuation.proposed_groups import groups, pairs
from valuation.revaluation import change_bookmaker, change_weights

FIELDS = ("kind", "weight", "commission", "fee_model", "is_venue", "price_group")
NONE = "none"
OPTIONS = "--kind, --venue, --weight, --commission, --fee-model and --group"
SHOWN_PAIRS = 20
UNKNOWN = "unknown"
OWN = "own"


class Command(UncheckedCommand):
    help = "List the bookmakers and set their kind, role, weight, fee and group."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        actions.add_parser("list", help="all bookmakers")
        alike = actions.add_parser("groups", help="propose which share one price, by their changes")
        alike.add_argument("--days", type=float, default=7.0, help="of history; default: 7")
        weight = actions.add_parser("weight", help="weigh a bookmaker on some markets")
        weight.add_argument("key", metavar="KEY")
        weight.add_argument("weight", metavar="W", help=f"in the consensus, or {OWN}: as elsewhere")
        weight.add_argument("--family", default="", help="the family of sports, e.g. soccer")
        weight.add_argument("--kind", default="", help="the kind of market, e.g. h2h")
        change = actions.add_parser("set", help="change a bookmaker and value its markets again")
        change.add_argument("key", metavar="KEY")
        change.add_argument("--kind", help="sportsbook or exchange")
        change.add_argument("--weight", metavar="W", help="in the consensus; 0 leaves it out")
        change.add_argument(
            "--commission", metavar="C", help=f"rate of the fee, e.g. 0.05, or {UNKNOWN}"
        )
        change.add_argument(
            "--venue",
            dest="is_venue",
            choices=("yes", "no"),
            help="whether its prices may be offered as edges",
        )
        change.add_argument(
            "--group",
            dest="price_group",
            metavar="NAME",
            help=f"of those that share its price and count once with it, or {NONE}",
        )
        change.add_argument(
            "--fee-model", metavar="M", help="winnings, or contract: rate · p · (1 − p) of each"
        )

    def handle(self, *, action: str, **options: Any) -> None:
        if action == "list":
            self._list()
        elif action == "groups":
            self._propose(options["days"])
        elif action == "weight":
            self._weigh(options)
        else:
            self._set(options)

    def _list(self) -> None:
        write_table(
            self.stdout,
            ("bookmaker", "title", "kind", "venue", "weight", "commission", "fee", "group"),
            [
                (
                    row.key,
                    row.title,
                    row.kind,
                    "yes" if row.is_venue else "no",
                    "; ".join([f"{row.weight:g}", *map(str, row.weights.all())]),
                    "unknown: no edges" if row.commission is None else f"{row.commission:g}",
                    row.fee_model,
                    row.price_group,
                )
                for row in Bookmaker.objects.prefetch_related("weights")
            ],
        )

    def _propose(self, days: float) -> None:
        found = pairs(days)
        write_table(
            self.stdout,
            ("bookmaker", "and", "changes", "made together", ""),
            [
                (
                    pair.first,
                    pair.second,
                    f"{pair.changes:,}",
                    f"{pair.share:.0%}",
                    "one price?" if pair.moves_together else "",
                )
                for pair in found[:SHOWN_PAIRS]
            ],
        )
        named = dict(Bookmaker.objects.exclude(price_group="").values_list("key", "price_group"))
        proposed = [
            group
            for group in groups(found)
            if len({named.get(key) for key in group}) > 1 or group[0] not in named
        ]
        if not proposed:
            self.stdout.write("No bookmakers seem to share one price that are in no group yet.")
        for group in proposed:
            self.stdout.write(f"{', '.join(group)} seem to share one price. If they do:")
            for key in group:
                self.stdout.write(f"  manage.py bookmakers set {key} --group {group[0]}")

    def _weigh(self, options: dict[str, Any]) -> None:
        bookmaker = _named(options["key"])
        place = {"family": options["family"], "kind": options["kind"]}
        found = bookmaker.weights.filter(**place).first()
        if options["weight"] == OWN:
            if found is None:
                raise CommandError(f"{bookmaker.key} has no weight of this family and kind.")
            change_weights(bookmaker, found.delete)
        else:
            row = found or BookmakerWeight(bookmaker=bookmaker)
            row.evidence = ""  # that of a weight that was learnt
            fields = ("family", "kind", "weight")
            form = modelform_factory(BookmakerWeight, fields=fields)(
                place | {"weight": options["weight"]}, instance=row
            )
            if not form.is_valid():
                raise CommandError(_problems(form.errors))
            change_weights(bookmaker, form.save)
        self.stdout.write(f"{bookmaker.key}: its markets are valued again")

    def _set(self, options: dict[str, Any]) -> None:
        bookmaker = _named(options["key"])
        given = {name: options[name] for name in FIELDS if options[name] is not None}
        if not given:
            raise CommandError(
                "Add --kind, --venue, --weight, --commission, --fee-model or --group."
            )
        if given.get("commission") == UNKNOWN:
            given["commission"] = ""
        if given.get("price_group") == NONE:
            given["price_group"] = ""
        if "is_venue" in given:
            given["is_venue"] = given["is_venue"] == "yes"
        # Clean all fields: some rules are about two of them.
        before = {name: getattr(bookmaker, name) for name in FIELDS}
        form = modelform_factory(Bookmaker, fields=FIELDS)(before | given, instance=bookmaker)
        if not form.is_valid():
            raise CommandError(_problems(form.errors))
        is_valued = change_bookmaker(bookmaker, {name: form.cleaned_data[name] for name in given})
        what = "its markets are valued again" if is_valued else "nothing changed"
        self.stdout.write(f"{bookmaker.key}: {what}")


def _problems(errors: Mapping[str, Iterable[object]]) -> str:
    problems = [f"{name}: {' '.join(map(str, texts))}" for name, texts in errors.items()]
    return "\n".join(["the bookmaker cannot be changed:", *problems])


def _named(key: str) -> Bookmaker:
    bookmaker = Bookmaker.objects.filter(key=key).first()
    if bookmaker is not None:
        return bookmaker
    known = list(Bookmaker.objects.values_list("key", flat=True))
    raise CommandError(f"no bookmaker {key!r}{did_you_mean(key, known)}")
