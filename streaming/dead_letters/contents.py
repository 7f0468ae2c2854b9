"""The content of a dead letter: an answer or message that was unreadable, or a task's arguments."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import msgspec

from streaming.dead_letters.payloads import REPLAY_PAYLOAD, Payload
from streaming.models import DeadLetter

MAX_BRIEF_CHARS = 200
"""The characters of a value that `arguments_in_brief` keeps."""


@dataclass(frozen=True, slots=True)
class File:
    """The content of a letter as a file."""

    name: str
    body: bytes


def content_of(letter: DeadLetter) -> File:
    """Return the answer or message as it came; else the arguments of the task, as JSON.

    Args:
        letter: redacted, as all letters that are stored.
    """
    name = f"dead-letter-{letter.pk}"
    if (answer := _answer(letter)) is not None:
        is_json = "json" in answer.content_type
        return File(f"{name}.{'json' if is_json else 'txt'}", answer.body)
    if letter.body:
        return File(f"{name}.txt", letter.body.encode())
    arguments = {"task": letter.task, "args": letter.args, "kwargs": letter.kwargs}
    return File(f"{name}.json", json.dumps(arguments, indent=2).encode())


def arguments_in_brief(letter: DeadLetter) -> str:
    """Return the arguments of the task as JSON, long texts among them cut."""
    return json.dumps(_brief({"args": letter.args, "kwargs": letter.kwargs}), indent=2)


def _answer(letter: DeadLetter) -> Payload | None:
    """Return the whole answer that a letter keeps for its replay; None if it has none."""
    if letter.task != REPLAY_PAYLOAD or not letter.is_complete:
        return None
    try:
        return msgspec.convert(letter.kwargs, Payload)
    except msgspec.ValidationError:  # of another version of the code
        return None


def _brief(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _brief(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_brief(each) for each in value]
    if isinstance(value, str) and len(value) > MAX_BRIEF_CHARS:
        return f"{value[:MAX_BRIEF_CHARS]}… ({len(value):,} characters)"
    return value
