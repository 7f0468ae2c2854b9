from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db.models import QuerySet

from betting.config import get_config
from betting.db.sessions import sessions_alias
from betting.management.login import login_name
from betting.management.unchecked import UncheckedCommand
from streaming.core.texts import did_you_mean
from streaming.dead_letters import replay
from streaming.dead_letters.capture import store_spooled
from streaming.dead_letters.patterns import patterns
from streaming.dead_letters.replay import EditedArguments, arguments_error, with_last_replay
from streaming.management import letter_report as report
from streaming.management import pattern_report
from streaming.management.arguments import one_or_more
from streaming.models import DeadLetter, DeadLetterEviction, LetterKind, LetterStatus

#: Option → the field it filters by.
FILTERS = {"kind": "kind", "task": "task", "fingerprint": "fingerprint", "provider": "provider"}


class Command(UncheckedCommand):
    help = "Look at work that failed for good; replay it, discard it, write it to stdout."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        listing = actions.add_parser("list", help="the letters, the most recently seen first")
        _add_filters(listing)
        listing.add_argument(
            "--limit", type=one_or_more, default=50, metavar="N", help="default: 50"
        )
        clusters = actions.add_parser("clusters", help="likely causes, the most frequent first")
        _add_filters(clusters)
        clusters.add_argument(
            "--limit", type=one_or_more, default=20, metavar="N", help="default: 20"
        )
        clusters.add_argument(
            "--format", choices=["text", "json"], default="text", help="default: text"
        )
        show = actions.add_parser("show", help="one letter with its traceback and its history")
        show.add_argument("id", type=int, metavar="ID")
        replay = actions.add_parser("replay", help="send the work again")
        _add_choice(replay)
        # Django keeps `args` for itself.
        replay.add_argument(
            "--args", dest="edited_args", metavar="JSON", help="other arguments, for one letter"
        )
        replay.add_argument(
            "--kwargs", dest="edited_kwargs", metavar="JSON", help="other keyword arguments"
        )
        discard = actions.add_parser("discard", help="give the work up")
        _add_choice(discard)
        discard.add_argument("--reason", required=True, metavar="WORDS", help="why")
        export = actions.add_parser("export", help="whole letters, one JSON object a line")
        _add_filters(export)
        actions.add_parser("store", help="store the letters that wait for the database, now")

    def handle(self, *, action: str, **options: Any) -> None:
        getattr(self, f"_{action}")(options)

    def _list(self, options: dict[str, Any]) -> None:
        letters = _filtered(options)
        report.listing(self.stdout, with_last_replay(letters)[: options["limit"]])
        evicted = sum(DeadLetterEviction.objects.values_list("letters", flat=True))
        self.stdout.write(f"{letters.count():,} letters; {evicted:,} were evicted for want of room")

    def _clusters(self, options: dict[str, Any]) -> None:
        found = patterns(_filtered(options), options["limit"])
        if options["format"] == "json":
            self.stdout.write(pattern_report.as_json(found))
        else:
            pattern_report.text(self.stdout, found)

    def _show(self, options: dict[str, Any]) -> None:
        report.details(self.stdout, _letter(options["id"]))

    def _replay(self, options: dict[str, Any]) -> None:
        edited = EditedArguments(_json(options, "args", list), _json(options, "kwargs", dict))
        if edited != EditedArguments():
            self._replay_edited(options, edited)
            return
        chosen = _chosen(options)
        there_are = chosen.count()
        count = replay.request_replays(chosen, _whoever())
        self.stdout.write(
            f"{count:,} of {there_are:,} will be replayed,"
            f" {replay.PER_SECOND} a second, while beat runs"
        )

    def _replay_edited(self, options: dict[str, Any], edited: EditedArguments) -> None:
        if len(options["ids"]) != 1:
            raise CommandError("edited arguments are for one letter: give one ID")
        letter = _letter(options["ids"][0])
        args = letter.args if edited.args is None else edited.args
        kwargs = letter.kwargs if edited.kwargs is None else edited.kwargs
        if fault := arguments_error(letter.task, args, kwargs):
            raise CommandError(fault)
        if not replay.request_replay(letter.pk, _whoever(), edited):
            raise CommandError(f"letter {letter.pk} is being replayed already")
        self.stdout.write(f"letter {letter.pk} will be replayed, edited")

    def _discard(self, options: dict[str, Any]) -> None:
        if not options["reason"].strip():
            raise CommandError("--reason: say why")
        count = replay.discard(_chosen(options), _whoever(), options["reason"])
        self.stdout.write(f"{count:,} discarded")

    def _export(self, options: dict[str, Any]) -> None:
        for letter in _filtered(options).using(sessions_alias()).iterator(chunk_size=100):
            self.stdout.write(report.as_json(letter))

    def _store(self, _options: dict[str, Any]) -> None:
        self.stdout.write(f"{store_spooled(get_config()):,} letters were waiting")


def _add_filters(parser: ArgumentParser) -> None:
    parser.add_argument("--status", choices=LetterStatus.values, help="only these")
    parser.add_argument("--kind", choices=LetterKind.values, help="only these")
    parser.add_argument("--task", metavar="NAME", help="only of this task")
    parser.add_argument("--fingerprint", metavar="HEX", help="only of this cause")
    parser.add_argument("--provider", metavar="KEY", help="only of this provider")


def _add_choice(parser: ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", type=int, metavar="ID")
    _add_filters(parser)
    parser.add_argument("--all", action="store_true", help="all that are new")


def _filtered(options: dict[str, Any]) -> QuerySet[DeadLetter]:
    chosen = {field: options[name] for name, field in FILTERS.items() if options[name]}
    if options["status"]:
        chosen["status"] = options["status"]
    return DeadLetter.objects.filter(**chosen)


def _chosen(options: dict[str, Any]) -> QuerySet[DeadLetter]:
    """Return the letters that the options name; all of them only with `--all`."""
    has_filter = options["status"] or any(options[name] for name in FILTERS)
    if not (options["ids"] or has_filter or options["all"]):
        raise CommandError("which letters? Give IDs, a filter, or --all")
    letters = _filtered(options)
    if options["ids"]:
        return letters.filter(pk__in=options["ids"])
    # A filter chooses new letters alone, unless a status is given: settled ones stay settled.
    return letters if options["status"] else letters.filter(status=LetterStatus.NEW)


def _letter(letter_id: int) -> DeadLetter:
    letter = with_last_replay(DeadLetter.objects.filter(pk=letter_id)).first()
    if letter is not None:
        return letter
    known = [str(pk) for pk in DeadLetter.objects.values_list("pk", flat=True)]
    raise CommandError(f"no letter {letter_id}{did_you_mean(str(letter_id), known)}")


def _json(options: dict[str, Any], name: str, shape: type[list[Any] | dict[str, Any]]) -> Any:
    given = options[f"edited_{name}"]
    if given is None:
        return None
    try:
        value = json.loads(given)
    except ValueError as error:
        raise CommandError(f"--{name}: not JSON: {error}") from error
    if not isinstance(value, shape):
        raise CommandError(f"--{name}: {value!r} is no {'list' if shape is list else 'object'}")
    return value


def _whoever() -> str:
    return f"manage.py ({login_name()})"
