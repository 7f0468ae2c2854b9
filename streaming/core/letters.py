"""Dead letters: work that failed for good, redacted and cut to a bounded size."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import msgspec

from streaming.core.redaction import CUT, beginning, ending, scrub

MAX_ARGUMENTS_CHARS = 500_000
"""Of all arguments as JSON; room for the largest batch of market ids that is ever sent."""
MAX_MESSAGE_CHARS = 2_000
MAX_TRACEBACK_CHARS = 32_000
MAX_BODY_CHARS = 64_000
MAX_NAME_CHARS = 255


class Kind(StrEnum):
    """The way in which work failed; docs/dead-letters.md says what a person does about each."""

    EXCEPTION = "exception"
    TIME_LIMIT = "time_limit"
    WORKER_LOST = "worker_lost"
    UNKNOWN_TASK = "unknown_task"
    UNDECODABLE = "undecodable"
    REJECTED = "rejected"
    RESULT = "result"
    HOOK = "hook"
    PAYLOAD = "payload"
    DELIVERY = "delivery"


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of work that failed for good.

    Attributes:
        kind: how it failed.
        task: the task that does the work when it is sent again; empty when no one knows.
        args: its positional arguments, JSON values.
        kwargs: its keyword arguments, JSON values.
        queue: the queue it came from, and is sent to again; empty for the task's own.
        exception: the exception's class, dotted.
        message: what the exception said.
        traceback: as text.
        body: what came, where it could not be read.
        task_id: the message's id; with `retries` it identifies the failure, however often it is
            reported.
        retries: how often the task had been tried before.
        worker: the node on which it failed.
        provider: the key of the provider that the work waits for; empty for none.
        feed: the provider's feed that it is about; empty for none.
        subject: what the letter is about, where that is not its arguments: letters of one subject
            are one row, which keeps the newest arguments.
        replay: the id of the `DeadLetterAction` by which the work had been sent; None for work
            that was no replay.
        is_complete: whether `args` and `kwargs` are all that the task needs.
        sentry_event_id: the event that Sentry has of it; empty where none was sent.
        id: the same for every report of this failure; given by `redacted`.
        at: when it failed, aware; given by `redacted`.
    """

    kind: Kind
    task: str = ""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    queue: str = ""
    exception: str = ""
    message: str = ""
    traceback: str = ""
    body: str = ""
    task_id: str = ""
    retries: int = 0
    worker: str = ""
    provider: str = ""
    feed: str = ""
    subject: str = ""
    replay: int | None = None
    is_complete: bool = True
    sentry_event_id: str = ""
    id: str = ""
    at: datetime | None = None


def redacted(letter: Letter, now: datetime, unique: str) -> Letter:
    """Return the letter as it may be stored: scrubbed, bounded, with an id and a date.

    Redacting a redacted letter changes nothing.

    Args:
        letter: what failed.
        now: when, unless the letter says so itself.
        unique: the letter's id where no message id gives one; 32 hexadecimal digits.

    Returns:
        A letter that PostgreSQL can hold, with an `id` that is the same for every report of the
        same failure: the task, its worker and a second delivery may report one exception.

    >>> lost = Letter(kind=Kind.WORKER_LOST, task="a.b", args=[1], task_id="7d1e")
    >>> noon = datetime(2026, 3, 1, 12)
    >>> redacted(lost, noon, "0" * 32).id == redacted(lost, noon, "1" * 32).id
    True
    """
    arguments = _bounded(letter.args, letter.kwargs)
    return msgspec.structs.replace(
        letter,
        task=_name(letter.task),
        args=arguments.args,
        kwargs=arguments.kwargs,
        queue=_name(letter.queue),
        exception=_name(letter.exception),
        message=beginning(letter.message, MAX_MESSAGE_CHARS),
        traceback=ending(letter.traceback, MAX_TRACEBACK_CHARS),
        body=beginning(letter.body, MAX_BODY_CHARS),
        task_id=_name(letter.task_id),
        worker=_name(letter.worker),
        provider=_name(letter.provider),
        feed=beginning(letter.feed, MAX_MESSAGE_CHARS),
        subject=beginning(letter.subject, MAX_MESSAGE_CHARS),
        is_complete=letter.is_complete and arguments.are_whole,
        id=letter.id or _failure_id(letter) or unique,
        at=letter.at or now,
    )


def fingerprint(letter: Letter) -> str:
    """Return a hash that letters of one cause share: of kind, task, exception and its place.

    Line numbers are left out, so that an edit elsewhere in a file does not split a cause in two.
    Without a traceback the message is used instead, without its numbers, ids and quoted values.

    Returns:
        16 hexadecimal digits.

    >>> one = Letter(kind=Kind.EXCEPTION, task="a.b", message="no market 17 at 0x7f3a")
    >>> other = Letter(kind=Kind.EXCEPTION, task="a.b", message="no market 9 at 0x01ff")
    >>> fingerprint(one) == fingerprint(other)
    True
    """
    place = frames(letter.traceback) or [normalised(letter.message)]
    return _digest(letter.kind, letter.task, letter.exception, *place)[:16]


def digest(letter: Letter) -> str:
    """Return a hash that letters of one row share: of the cause, and the subject or arguments.

    Returns:
        64 hexadecimal digits.
    """
    about = letter.subject or json.dumps([letter.args, letter.kwargs, letter.body], sort_keys=True)
    return _digest(fingerprint(letter), letter.queue, about)


def frames(traceback: str) -> list[str]:
    r"""Return the functions that a traceback passes through, outermost first.

    >>> frames('  File "/srv/app/streaming/poll.py", line 12, in take\n    run()')
    ['streaming/poll.py:take']
    """
    return [
        f"{'/'.join(path.split('/')[-2:])}:{function}"
        for path, function in _FRAME.findall(traceback)
    ]


def normalised(message: str) -> str:
    """Return a message without the parts that differ from one time to the next.

    >>> normalised("Market 17 of 'Lakers' at <Quote 0x7f3a> took 1.5 s")
    'Market # of # at <Quote #> took # s'
    """
    return _VARIABLE.sub("#", message)


@dataclass(frozen=True, slots=True)
class _Arguments:
    args: list[Any]
    kwargs: dict[str, Any]
    are_whole: bool


def _bounded(args: Sequence[Any], kwargs: Mapping[str, Any]) -> _Arguments:
    """Return the arguments scrubbed; only their beginning where they are too large to keep."""
    given = (list(args), dict(kwargs))
    kept = (scrub(given[0]), scrub(given[1]))
    text = json.dumps(kept, ensure_ascii=False)
    if len(text) > MAX_ARGUMENTS_CHARS:
        return _Arguments([text[: MAX_MESSAGE_CHARS - 1] + CUT], {}, are_whole=False)
    return _Arguments(*kept, are_whole=kept == given)


def _failure_id(letter: Letter) -> str:
    """Return an id made of the message's id and its attempt; empty if the message has none."""
    if not letter.task_id:
        return ""
    return uuid5(NAMESPACE_OID, f"{letter.task_id}:{letter.retries}").hex


def _name(text: str) -> str:
    return beginning(text, MAX_NAME_CHARS)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


_FRAME = re.compile(r'File "([^"]+)", line \d+, in (\S+)')
_VARIABLE = re.compile(
    r"""'[^']*'|"[^"]*"|\b0x[0-9a-f]+\b|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"""
    r"|\b[0-9a-f]{16,}\b|\d+(?:\.\d+)?",
    re.IGNORECASE,
)
