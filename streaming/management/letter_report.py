"""Printing dead letters for the `deadletters` command."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from django.core.management.base import OutputWrapper
from django.core.serializers.json import DjangoJSONEncoder
from django.forms.models import model_to_dict

from streaming.core.texts import escaped, escaped_lines
from streaming.models import DeadLetter
from streaming.runner.tables import shown_time, write_table

_FIELDS = (
    "kind", "status", "discard_reason", "task", "queue", "provider", "feed", "is_complete", "count",
    "first_seen", "last_seen", "worker", "task_id", "retries", "fingerprint", "sentry_event_id",
    "exception", "message", "last_replay",
)  # fmt: skip


def listing(out: OutputWrapper, letters: Iterable[DeadLetter]) -> None:
    """Print one line per letter."""
    write_table(
        out,
        (
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
        ),
        [
            (
                str(letter.pk),
                shown_time(letter.last_seen),
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
            for letter in letters
        ],
    )


def details(out: OutputWrapper, letter: DeadLetter) -> None:
    """Print everything about one letter."""
    for name in _FIELDS:
        value = getattr(letter, name)
        if value not in {"", None}:
            shown = shown_time(value) if isinstance(value, datetime) else value
            out.write(f"{name.replace('_', ' '):16} {escaped_lines(str(shown))}")
    out.write(f"{'args':16} {json.dumps(letter.args)}")
    out.write(f"{'kwargs':16} {json.dumps(letter.kwargs)}")
    for title, text in (("traceback", letter.traceback), ("body", letter.body)):
        if text:
            out.write(f"\n{title}\n{escaped_lines(text)}")
    for action in letter.actions.order_by("id"):
        words = (
            shown_time(action.requested_at),
            action.action,
            action.requested_by,
            action.outcome,
        )
        told = " · ".join(filter(None, (*words, action.reason, action.error)))
        out.write(escaped(told))


def as_json(letter: DeadLetter) -> str:
    """Return the whole letter as one line of JSON."""
    fields = {"id": letter.pk, **model_to_dict(letter), "digest": letter.digest}
    return json.dumps(fields, cls=DjangoJSONEncoder)
