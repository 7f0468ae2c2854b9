from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator
from typing import Any

from django.core.management.base import CommandError

from betting.config import get_config
from betting.management.login import login_name
from betting.management.unchecked import UncheckedCommand
from betting.models import DoubtfulMatch, Event, MatchDecision
from streaming.core.texts import escaped
from streaming.ingest import match_review

MAX_NAME = 150  # as accounts have it


class Command(UncheckedCommand):
    help = "List events of different providers that may be the same, and decide."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        doubtful = actions.add_parser("doubtful", help="list the pairs to decide")
        doubtful.add_argument("--json", action="store_true", help="for programs")
        for name, words in (
            ("same", "merge the two: they are one event"),
            ("different", "keep them apart: they are two events"),
        ):
            action = actions.add_parser(name, help=words)
            action.add_argument("ids", metavar="ID", nargs="+", type=int)
            action.add_argument(
                "--by", metavar="NAME", type=_person, help="your name; default: your login"
            )

    def handle(self, *, action: str, **options: Any) -> None:
        if action == "doubtful":
            self._list(as_json=options["json"])
        else:
            self._decide(action, options["ids"], options["by"] or login_name())

    def _list(self, *, as_json: bool) -> None:
        rows = list(_open_doubts())
        if as_json:
            self.stdout.write(json.dumps(rows))
            return
        for row in rows:
            self.stdout.write(f"{row['id']}  {row['provider']}: {row['why']}")
            for side in ("event", "candidate"):
                self.stdout.write(f"      {row[f'{side}_starts']}  {escaped(row[side])}")
        if not rows:
            self.stdout.write("no match is doubtful")

    def _decide(self, action: str, ids: list[int], by: str) -> None:
        policy = get_config().matching
        decide: dict[str, Callable[[int], DoubtfulMatch]] = {
            "same": lambda pk: match_review.decide_same(pk, by, policy),
            "different": lambda pk: match_review.decide_different(pk, by),
        }
        refusals = []
        for pk in ids:
            try:
                decided = decide[action](pk)
            except match_review.UndecidableError as refusal:
                refusals.append(escaped(str(refusal)))
            else:
                self.stdout.write(f"{pk}: {decided.get_decision_display()}")
        if refusals:
            raise CommandError("\n".join(refusals))


def _person(name: str) -> str:
    if not 0 < len(name) <= MAX_NAME:
        raise ArgumentTypeError(f"must have 1 to {MAX_NAME} characters")
    return name


def _open_doubts() -> Iterator[dict[str, Any]]:
    doubts = DoubtfulMatch.objects.filter(decision=MatchDecision.OPEN)
    for doubt in doubts.select_related("event", "candidate", "provider").order_by("id"):
        yield {
            "id": doubt.pk,
            "provider": doubt.provider.key,
            "reason": doubt.reason,
            "why": doubt.get_reason_display(),
            "event_id": doubt.event_id,
            "event": _words(doubt.event),
            "event_starts": doubt.event.commence_time.isoformat(),
            "candidate_id": doubt.candidate_id,
            "candidate": _words(doubt.candidate),
            "candidate_starts": doubt.candidate.commence_time.isoformat(),
        }


def _words(event: Event) -> str:
    return f"{event} ({event.get_status_display()})"
