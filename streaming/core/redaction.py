"""Redaction of text and JSON of any origin: secrets are blanked and long values are cut.

Nothing here trusts its input: a message that nobody could decode, a provider's answer, a traceback.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

BLANK = "•••"
CUT = "…"

MAX_TEXT_CHARS = 200_000
"""Of any one string in a value."""
MAX_REPR_CHARS = 2_000
"""Of the repr that stands for a value that is not JSON."""
MAX_DEPTH = 32


def scrub(value: Any) -> Any:
    """Return the value as JSON that PostgreSQL can hold, without its secrets.

    A value under a name such as ``token`` or ``api_key`` is blanked. So are, in any text, a URL's
    password and its parameters with such names. A value that is not JSON becomes its repr.

    >>> scrub({"api_key": "s3cret", "url": "redis://:pw@host/0", "ids": [1, 2]})
    {'api_key': '•••', 'url': 'redis://•••@host/0', 'ids': [1, 2]}
    """
    return _scrubbed(value, _without_url_secrets)


def scrub_for_display(value: Any) -> Any:
    """Scrub a value that is shown and never sent again: `scrub_text` cleans its texts.

    >>> scrub_for_display({"message": "login(password='s3cret')", "values": [{"token": "s3cret"}]})
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


def beginning(text: str, chars: int) -> str:
    """Return a text's first characters, scrubbed.

    A first cut at four times as many bounds the cost. A secret that it splits is beyond the second.
    """
    return _head(scrub_text(_head(text, 4 * chars)), chars)


def ending(text: str, chars: int) -> str:
    """Return a text's last characters, scrubbed."""
    return _tail(scrub_text(_tail(text, 4 * chars)), chars)


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
    return beginning(repr(value), MAX_REPR_CHARS)


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
        decoded = base64.b64decode(whole + "=" * (-len(whole) % 4), altchars=b"-_")
    except binascii.Error:  # cut short, or a word
        decoded = base64.b64decode(whole[: len(whole) // 4 * 4], altchars=b"-_")
    return b":" in decoded and min(decoded) >= 0x20


def _head(text: str, chars: int) -> str:
    return text if len(text) <= chars else text[: chars - 1] + CUT


def _tail(text: str, chars: int) -> str:
    return text if len(text) <= chars else CUT + text[1 - chars :]


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
