"""What the answers of all providers are held to: bounds of their fields, and how they are read.

Lengths are those of the columns that take a snapshot.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, TypeVar

import msgspec

from streaming.core.failures import DataFailure, one_line

T = TypeVar("T")

Key = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Title = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Description = Annotated[str, msgspec.Meta(max_length=200)]
ExternalId = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Number = Annotated[float, msgspec.Meta(ge=-1_000_000, le=1_000_000)]

FIRST_YEAR, LAST_YEAR = 2000, 2100  # a stamp outside is a fault, and may not fit a calendar


def parse_json(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """The body as the decoder's type.

    Raises:
        DataFailure: the body is not JSON, not of this shape, or no text a database can hold.
    """
    if b"\\u0000" in body:
        raise DataFailure("bad_text", "The answer holds a NUL character.", "body")
    return decoded(decoder.decode, body)


def decoded(decode: Callable[[bytes], T], body: bytes) -> T:
    """What one of msgspec's decoders makes of the body.

    Raises:
        DataFailure: the body is not JSON, or not of the decoder's shape.
    """
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        code, message = "wrong_schema", str(error)
    except (ValueError, RecursionError) as error:  # malformed, not UTF-8, or nested too deep
        code, message = "undecodable", str(error)
    # msgspec's own words end in the place: "Expected `str`, got `int` - at `$[0].id`"
    words, _, place = message.partition(" - at ")
    raise DataFailure(code, f"{one_line(words)}.", one_line(place.strip("`")) or "$")


def check_year(moment: datetime, where: str) -> None:
    """Refuse a moment that no event has.

    Raises:
        DataFailure: its year is out of bounds; `where` is its place.
    """
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise DataFailure("bad_time", f"The year is {moment.year}.", where)
