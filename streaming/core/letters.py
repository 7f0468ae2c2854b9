"""Dead letters: work that failed, cleaned of secrets and cut to a bounded size.

Everything here accepts text of any origin: a message that nobody could decode, a provider's
answer, a traceback.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import msgspec

BLANK = "•••"
CUT = "…"

MAX_TEXT_CHARS = 200_000
"""Of any one string in the arguments."""
MAX_ARGUMENTS_CHARS = 500_000
"""Of all arguments as JSON; room for the largest batch of market ids that is ever sent."""
MAX_MESSAGE_CHARS = 2_000
MAX_TRACEBACK_CHARS = 32_000
MAX_BODY_CHARS = 64_000
MAX_NAME_CHARS = 255
MAX_DEPTH = 32


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
        id: unique to this end of this work; given by `sealed`.
        at: when it failed, aware; given by `sealed`.
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


def sealed(letter: Letter, now: datetime, unique: str) -> Letter:
    """Return the letter as it may be stored: scrubbed, bounded, with an id and a date.

    Sealing a sealed letter changes nothing.

    Args:
        letter: what failed.
        now: when, unless the letter says so itself.
        unique: the letter's id where no message id gives one; 32 hexadecimal digits.

    Returns:
        A letter that PostgreSQL can hold, with an `id` that is the same for every report of the
        same failure: the task, its worker and a second delivery may report one exception.

    >>> lost = Letter(kind=Kind.WORKER_LOST, task="a.b", args=[1], task_id="7d1e")
    >>> noon = datetime(2026, 3, 1, 12)
    >>> sealed(lost, noon, "0" * 32).id == sealed(lost, noon, "1" * 32).id
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
        message=_begin(letter.message, MAX_MESSAGE_CHARS),
        traceback=_end(letter.traceback, MAX_TRACEBACK_CHARS),
        body=_begin(letter.body, MAX_BODY_CHARS),
        task_id=_name(letter.task_id),
        worker=_name(letter.worker),
        provider=_name(letter.provider),
        feed=_begin(letter.feed, MAX_MESSAGE_CHARS),
        subject=_begin(letter.subject, MAX_MESSAGE_CHARS),
        is_complete=letter.is_complete and arguments.are_whole,
        id=letter.id or _end_of(letter) or unique,
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


def scrub(value: Any) -> Any:
    """Return the value as JSON that PostgreSQL can hold, without its secrets.

    A value under a name such as ``token`` or ``api_key`` is blanked. So are, in any text, a URL's
    password and its parameters with such names. A value that is not JSON becomes its repr.

    >>> scrub({"api_key": "s3cret", "url": "redis://:pw@host/0", "ids": [1, 2]})
    {'api_key': '•••', 'url': 'redis://•••@host/0', 'ids': [1, 2]}
    """
    return _scrubbed(value, _without_url_secrets)


def scrub_told(value: Any) -> Any:
    """Scrub a value that is shown and never sent again: `scrub_text` cleans its texts.

    >>> scrub_told({"message": "login(password='s3cret')", "values": [{"token": "s3cret"}]})
    {'message': "login(password='•••')", 'values': [{'token': '•••'}]}
    """
    return _scrubbed(value, scrub_text)


def is_secret(name: str) -> bool:
    """Return True if a value of this name is a secret.

    >>> [is_secret(name) for name in ("apiKey", "key", "Authorization", "sport_key", "market")]
    [True, True, True, False, False]
    """
    return _SECRET_NAME.search(name) is not None


def scrub_text(text: str) -> str:
    """Return a text for people without its secrets.

    >>> scrub_text("GET https://a.example/odds?apiKey=s3cret&markets=h2h failed: token='abc'")
    "GET https://a.example/odds?apiKey=•••&markets=h2h failed: token='•••'"
    """
    without_header = _AUTHORISATION.sub(rf"\1{BLANK}", _without_url_secrets(text))
    return _ASSIGNED.sub(rf"\1{BLANK}", without_header)


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
        return _Arguments([_head(text, MAX_MESSAGE_CHARS)], {}, are_whole=False)
    return _Arguments(*kept, are_whole=kept == given)


def _scrubbed(value: Any, clean: Callable[[str], str], depth: int = 0) -> Any:
    if depth >= MAX_DEPTH:
        return CUT
    if isinstance(value, str):
        return _head(clean(value), MAX_TEXT_CHARS)
    if isinstance(value, Mapping):
        return {
            scrub_text(str(name)): (
                BLANK if is_secret(str(name)) else _scrubbed(item, clean, depth + 1)
            )
            for name, item in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [_scrubbed(item, clean, depth + 1) for item in value]
    is_number = isinstance(value, int) or (isinstance(value, float) and abs(value) < float("inf"))
    if value is None or is_number:
        return value
    return _begin(repr(value), MAX_MESSAGE_CHARS)


def _end_of(letter: Letter) -> str:
    if not letter.task_id:
        return ""
    return uuid5(NAMESPACE_OID, f"{letter.task_id}:{letter.retries}").hex


def _without_url_secrets(text: str) -> str:
    storable = text.replace("\x00", "�").encode("utf-8", "replace").decode()
    without_password = _USERINFO.sub(rf"\1{BLANK}@", storable)
    without_scheme = _BASIC.sub(_without_basic, _BEARER.sub(rf"\1 {BLANK}", without_password))
    without_signing_key = _WEBHOOK_SECRET.sub(rf"\1{BLANK}", without_scheme)
    return _PARAMETER.sub(rf"\1{BLANK}", without_signing_key)


def _without_basic(found: re.Match[str]) -> str:
    """Return the match without its credentials; unchanged where "Basic" is an ordinary word."""
    header, scheme, word = found.groups(default="")
    return f"{header}{scheme} {BLANK}" if header or _is_user_and_password(word) else found[0]


def _is_user_and_password(word: str) -> bool:
    """Return True if it is base64 of credentials of HTTP's scheme "Basic": two parts and a colon.

    >>> _is_user_and_password("b2RkczpzM2NyZXQ="), _is_user_and_password("Fantastic")
    (True, False)
    """
    whole = word.rstrip("=")
    try:
        told = base64.b64decode(whole + "=" * (-len(whole) % 4), altchars=b"-_")
    except binascii.Error:  # cut short, or a word
        told = base64.b64decode(whole[: len(whole) // 4 * 4], altchars=b"-_")
    return b":" in told and min(told) >= 0x20


def _name(text: str) -> str:
    return _begin(text, MAX_NAME_CHARS)


def _begin(text: str, chars: int) -> str:
    """Return a text's first characters, scrubbed.

    A first cut at four times as many bounds the cost. A secret that it splits is beyond the second.
    """
    return _head(scrub_text(_head(text, 4 * chars)), chars)


def _end(text: str, chars: int) -> str:
    return _tail(scrub_text(_tail(text, 4 * chars)), chars)


def _head(text: str, chars: int) -> str:
    return text if len(text) <= chars else text[: chars - 1] + CUT


def _tail(text: str, chars: int) -> str:
    return text if len(text) <= chars else CUT + text[1 - chars :]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


_SENSITIVE = (
    r"(?:api|access|secret|private|auth|license|subscription|signing)[_-]?key"
    r"|token|secret|passw(?:or)?d|passphrase|authori[sz]ation|credential|cookie|signature"
)
# A bare "key" is a secret as a name, but in a text it is as often the key of a market.
_SECRET_NAME = re.compile(rf"^key$|{_SENSITIVE}", re.IGNORECASE)
# Every repetition is bounded: a text of any origin must not cost more than its length.
# A password may hold a slash where it is not encoded; what follows a port does not belong to it.
_USERINFO = re.compile(
    r"(\b[a-z][a-z0-9+.-]{1,20}://)"
    r"(?:[^\s/@\"'?#]{1,300}|[^\s/@:\"'?#]{0,100}:(?!\d{1,5}[/?#])[^\s@\"']{1,300})@",
    re.IGNORECASE,
)
_PARAMETER = re.compile(
    rf"([?&;](?:key|[\w.-]{{0,40}}(?:{_SENSITIVE})[\w.-]{{0,40}})=)[^\s&;\"'<>#]+", re.IGNORECASE
)
_BEARER = re.compile(r"\b(Bearer)\s{1,3}[\w.~+/=-]{8,}", re.IGNORECASE)
_BASIC = re.compile(
    r"(authori[sz]ation[\"']?\s{0,3}[=:]\s{0,3}(?:b?[\"'])?)?\b(Basic)\s{1,3}([A-Za-z0-9+/_-]{3,}={0,2})",
    re.IGNORECASE,
)
_QUOTE = r"\\{0,3}[\"']?"  # within JSON within JSON it is escaped
_AUTHORISATION = re.compile(
    rf"(authori[sz]ation{_QUOTE}\s{{0,3}}[=:]\s{{0,3}}{_QUOTE})"
    rf"(?:[\w-]{{1,20}}\s{{1,3}})?(?!{BLANK})[^\s\"'\\,;)}}\]]+",
    re.IGNORECASE,
)
# A webhook's secret is recognised by its prefix, anywhere in a text.
_WEBHOOK_SECRET = re.compile(r"(whsec_)[\w+/=-]{1,200}")
_ASSIGNED = re.compile(
    rf"((?:{_SENSITIVE})[\w-]{{0,40}}{_QUOTE}\s{{0,3}}[=:]\s{{0,3}}(?:b(?=[\"']))?{_QUOTE})"
    rf"(?!{BLANK}|\s)(?:[^\s\"',;&)}}\]\\]|\\(?![\"']))+",
    re.IGNORECASE,
)
_FRAME = re.compile(r'File "([^"]+)", line \d+, in (\S+)')
_VARIABLE = re.compile(
    r"""'[^']*'|"[^"]*"|\b0x[0-9a-f]+\b|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"""
    r"|\b[0-9a-f]{16,}\b|\d+(?:\.\d+)?",
    re.IGNORECASE,
)
