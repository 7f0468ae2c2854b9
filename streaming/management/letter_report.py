"""How the `deadletters` command shows letters."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import IO, cast

from django.core.management.base import OutputWrapper
from django.core.serializers.json import DjangoJSONEncoder
from django.forms.models import model_to_dict
from rich.console import Console
from rich.table import Table

from streaming.models import DeadLetter

WIDTH_OF_A_PIPE = 200
_FIELDS = (
    "kind", "status", "discard_reason", "task", "queue", "provider", "feed", "is_complete", "count",
    "first_seen", "last_seen", "worker", "task_id", "retries", "fingerprint", "sentry_event_id",
    "exception", "message", "last_replay",
)  # fmt: skip


def listing(out: OutputWrapper, letters: Iterable[DeadLetter]) -> None:
    """One line a letter."""
    table = Table(
        "id",
        "last seen",
        "kind",
        "status",
        "last replay",
        "provider",
        "feed",
        "task",
        "exception",
        "count",
        "fingerprint",
    )
    for letter in letters:
        table.add_row(
            str(letter.pk),
            _time(letter.last_seen),
            letter.kind,
            letter.status,
            letter.last_replay,
            letter.provider,
            letter.feed,
            letter.task or "(no task)",
            letter.exception.rpartition(".")[2],
            f"{letter.count:,}",
            letter.fingerprint,
        )
    width = None if out.isatty() else WIDTH_OF_A_PIPE
    Console(file=cast("IO[str]", out), width=width, markup=False, highlight=False).print(table)


def details(out: OutputWrapper, letter: DeadLetter) -> None:
    """Everything about one letter."""
    for name in _FIELDS:
        value = getattr(letter, name)
        if value not in {"", None}:
            shown = _time(value) if isinstance(value, datetime) else value
            out.write(f"{name.replace('_', ' '):16} {shown}")
    out.write(f"{'args':16} {json.dumps(letter.args)}")
    out.write(f"{'kwargs':16} {json.dumps(letter.kwargs)}")
    for title, text in (("traceback", letter.traceback), ("body", letter.body)):
        if text:
            out.write(f"\n{title}\n{text}")
    for action in letter.actions.order_by("id"):
        words = (_time(action.requested_at), action.action, action.requested_by, action.outcome)
        out.write(" · ".join(filter(None, (*words, action.reason, action.error))))


def as_json(letter: DeadLetter) -> str:
    """The whole letter as one line."""
    fields = {"id": letter.pk, **model_to_dict(letter), "digest": letter.digest}
    return json.dumps(fields, cls=DjangoJSONEncoder)


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
