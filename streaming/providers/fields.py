"""Bounds of the fields in all providers' answers, and functions that parse the answers.

Lengths are those of the columns that store a snapshot.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import msgspec

from streaming.core.american import MIN_AMERICAN, from_american
from streaming.core.failures import DataFailure
from streaming.core.texts import one_line

T = TypeVar("T")

Key = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Title = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Description = Annotated[str, msgspec.Meta(max_length=200)]
ExternalId = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Number = Annotated[float, msgspec.Meta(ge=-1_000_000, le=1_000_000)]

FIRST_YEAR, LAST_YEAR = 2000, 2100  # a time outside is a fault, and may overflow a datetime

_MAX_AMERICAN = 99_999_900
"""As decimal odds 1,000,000, or as little above 1."""

_NUL = b"\\u0000"


def parse_json(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Decode the body as the decoder's type.

    Raises:
        DataFailure: the body is not JSON, does not fit the type, or holds a NUL, which no database
            can store.
    """
    if not has_no_nul(body):
        raise DataFailure("bad_text", "The answer holds a NUL character.", "body")
    return decoded(decoder.decode, body)


def parse_items(
    decoder: msgspec.json.Decoder[T], body: bytes, salvage: Callable[[object], T | None]
) -> T:
    """Decode the body as the decoder's type, or salvage a body that does not fit it.

    Args:
        decoder: decodes the body as a whole, which is fast.
        body: JSON.
        salvage: builds the result from the body's plain values; returns None if not even the
            outermost part fits.

    Raises:
        DataFailure: the body is not JSON, or its outermost part does not fit.
    """
    try:
        if has_no_nul(body):
            return decoded(decoder.decode, body)
        failure = DataFailure("bad_text", "The answer holds a NUL character.", "body")
    except DataFailure as fault:
        failure = fault
    try:
        saved = salvage(without_nul(loosely(body)))
    except (ValueError, RecursionError):
        saved = None
    if saved is None:
        raise failure
    return saved


def loosely(body: bytes) -> object:
    """Decode a body as plain values, even if some texts or numbers are not valid JSON.

    Raises:
        ValueError, RecursionError: the body is not JSON at all.
    """
    body = unpadded(body)
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        # NaN, half a surrogate pair, a raw control character, a byte that is not UTF-8: a record
        # that holds one is left out, or its text cleaned.
        return json.loads(body.decode(errors="replace"), strict=False)


def has_no_nul(body: bytes) -> bool:
    """Return True unless a text of the body may hold a NUL."""
    return _NUL not in body


def without_nul(value: object) -> object:
    """Return a JSON value without the NULs in its texts, which no database can store."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [without_nul(each) for each in value]
    if isinstance(value, dict):
        return {name: without_nul(each) for name, each in value.items()}
    return value


_MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # first: it begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


PADDING = b"\0 \t\r\n"
"""Bytes that may surround JSON without being part of it: blanks, and the NULs of buffers and blocks
that were written whole."""


def unpadded(body: bytes) -> bytes:
    r"""Return the body in UTF-8, without a byte order mark and without padding at its end.

    >>> unpadded(b"\xef\xbb\xbf[1]\n"), unpadded("[1]".encode("utf-16")), unpadded(b"[1]\0\0")
    (b'[1]', b'[1]', b'[1]')
    """
    # In this order: the last character in UTF-16 may end in a NUL byte.
    return unmarked(body).rstrip(PADDING)


def unmarked(body: bytes) -> bytes:
    r"""Return the body in UTF-8 without a byte order mark.

    >>> unmarked(b"\xef\xbb\xbf[1]"), unmarked("[1]".encode("utf-16")), unmarked(b"[1]")
    (b'[1]', b'[1]', b'[1]')
    """
    if body[:1] in b"[{":  # nearly always
        return body
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            text = body.removeprefix(mark)
            if encoding == "utf-8":
                return text
            return text.decode(encoding, errors="replace").encode(errors="replace")
    return body


def decoded(decode: Callable[[bytes], T], body: bytes) -> T:
    """Decode the body with one of msgspec's decoders.

    Raises:
        DataFailure: the body is not JSON, or does not fit the decoder's type.
    """
    try:
        return decode(unpadded(body))
    except msgspec.ValidationError as error:
        code, message = "wrong_schema", str(error)
    except (ValueError, RecursionError) as error:  # malformed, not UTF-8, or nested too deep
        code, message = "undecodable", str(error)
    raise misfit(code, message)


def misfit(code: str, message: str, within: str = "$") -> DataFailure:
    """Convert one of msgspec's errors to a failure.

    Args:
        code: the failure's code.
        message: msgspec's own words, which end in the place: "Expected `str` - at `$[0].id`".
        within: the place of what msgspec calls ``$``.
    """
    words, _, place = message.partition(" - at ")
    where = one_line(place.strip("`")).removeprefix("$")
    return DataFailure(code, f"{one_line(words)}.", f"{within}{where}")


def moment_at(seconds: float, where: str) -> datetime:
    """Return the moment of a Unix time in seconds.

    >>> moment_at(1_772_393_400, "$.starts_at").isoformat()
    '2026-03-01T19:30:00+00:00'

    Raises:
        DataFailure: its year is out of bounds, as that of milliseconds is; `where` is its place.
    """
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise DataFailure("bad_time", f"{seconds:g} is no Unix time in seconds.", where) from None
    check_year(moment, where)
    return moment


def american_price(odds: float, where: str) -> float:
    """Return American odds as decimal odds.

    >>> american_price(150, "$.odds"), round(american_price(-110, "$.odds"), 4)
    (2.5, 1.9091)

    Raises:
        DataFailure: there are no such odds: too near to 0, or so far that a stake on them would
            win next to nothing, or everything; `where` is their place.
    """
    if not MIN_AMERICAN <= abs(odds) <= _MAX_AMERICAN:
        raise DataFailure("bad_price", f"{odds:g} is not American odds.", where)
    return from_american(odds)


def check_year(moment: datetime, where: str) -> None:
    """Refuse a moment whose year is out of bounds.

    Raises:
        DataFailure: its year is out of bounds; `where` is its place.
    """
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise DataFailure("bad_time", f"The year is {moment.year}.", where)
