"""A client's requests to The Odds API v4, checked as the API checks them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Literal, cast

import msgspec

from streaming.simulator.catalogue import BOOKMAKERS, REGIONS

OddsFormat = Literal["decimal", "american"]

_DETAILS = "https://the-odds-api.com/liveapi/guides/v4/api-error-codes.html"
_EVENT_ID_LENGTH = 32
_BOOKMAKERS_PER_REGION = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer: the status, headers besides the content's own, and the body."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class ApiError(Exception):
    """A refusal that the API documents.

    Source: https://the-odds-api.com/liveapi/guides/v4/api-error-codes.html
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def answer(self, headers: Mapping[str, str]) -> Answer:
        """Return the refusal as the API words it."""
        body = {
            "message": self.message,
            "error_code": self.code,
            "details_url": f"{_DETAILS}#{self.code.lower().replace('_', '-')}",
        }
        return Answer(self.status, msgspec.json.encode(body), headers)


MISSING_KEY = ApiError(
    401, "MISSING_KEY", "API key is missing. Get an API key at https://the-odds-api.com"
)
INVALID_KEY = ApiError(
    401, "INVALID_KEY", "API key is not valid. Get an API key at https://the-odds-api.com"
)
OUT_OF_USAGE_CREDITS = ApiError(
    401,
    "OUT_OF_USAGE_CREDITS",
    "Usage quota has been reached. See usage plans at https://the-odds-api.com",
)
EXCEEDED_FREQ_LIMIT = ApiError(
    429, "EXCEEDED_FREQ_LIMIT", "Requests exceed the frequency limit. Space them out"
)
INVALID_SCORES_DAYS_FROM = ApiError(
    422, "INVALID_SCORES_DAYS_FROM", "Invalid daysFrom parameter. It must be an integer from 1 to 3"
)
UNKNOWN_SPORT = ApiError(404, "UNKNOWN_SPORT", "Unknown sport")
EVENT_NOT_FOUND = ApiError(404, "EVENT_NOT_FOUND", "Event not found. The event may have expired")
NOT_FOUND = ApiError(404, "NOT_FOUND", "No such endpoint")


@dataclass(frozen=True, slots=True)
class OddsQuery:
    """A checked request for odds.

    Attributes:
        markets: the market keys asked for, each once.
        books: keys of the bookmakers that the request names, or its regions list.
        regions: how many regions it costs; every ten named bookmakers count as one.
        odds_format: how prices are written.
        event_ids: the events wanted; empty for all.
    """

    markets: tuple[str, ...]
    books: frozenset[str]
    regions: int
    odds_format: OddsFormat
    event_ids: frozenset[str]


def check_key(params: Mapping[str, str], api_key: str) -> None:
    """Refuse a request without the right key.

    Raises:
        ApiError: the key is missing or another one.
    """
    given = params.get("apiKey", "")
    if not given:
        raise MISSING_KEY
    if given != api_key:
        raise INVALID_KEY


def check_event_id(event_id: str) -> None:
    """Refuse a text that cannot be an event's id.

    Raises:
        ApiError: an id of the wrong length.
    """
    if len(event_id) != _EVENT_ID_LENGTH:
        raise ApiError(422, "INVALID_EVENT_ID", "Event id must be 32 characters in length")


def parse_odds_query(params: Mapping[str, str], supported: tuple[str, ...]) -> OddsQuery:
    """Check the parameters of an odds request.

    Args:
        params: the query string.
        supported: the market keys of the endpoint and sport.

    Raises:
        ApiError: as documented, naming what is wrong.
    """
    markets = _listed(params, "markets") or ("h2h",)
    unsupported = sorted(set(markets) - set(supported))
    if unsupported:
        raise ApiError(
            422,
            "INVALID_MARKET",
            f"Markets not supported by this endpoint: {', '.join(unsupported)}",
        )
    books, regions = _bookmakers(params)
    return OddsQuery(markets, books, regions, _odds_format(params), parse_event_ids(params))


def parse_event_ids(params: Mapping[str, str]) -> frozenset[str]:
    """Return the ids that a list is narrowed to, empty for all; check `dateFormat` as well.

    Raises:
        ApiError: an id of the wrong length, or a date format other than iso.
    """
    if params.get("dateFormat", "iso") != "iso":
        raise ApiError(422, "INVALID_DATE_FORMAT", "Invalid dateFormat: the simulator writes iso")
    event_ids = _listed(params, "eventIds")
    if any(len(event_id) != _EVENT_ID_LENGTH for event_id in event_ids):
        raise ApiError(422, "INVALID_EVENT_IDS", "Event ids must be 32 characters in length")
    return frozenset(event_ids)


def parse_days_from(params: Mapping[str, str]) -> int:
    """Return the days for which events that are over are listed; 0 if none are wanted.

    Raises:
        ApiError: another number than 1, 2 or 3.
    """
    text = params.get("daysFrom")
    if text is None:
        return 0
    if text not in {"1", "2", "3"}:
        raise INVALID_SCORES_DAYS_FROM
    return int(text)


def _listed(params: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for item in params.get(name, "").split(",") if item))


def _bookmakers(params: Mapping[str, str]) -> tuple[frozenset[str], int]:
    """Return the bookmakers requested and the regions they cost; names override regions."""
    named = _listed(params, "bookmakers")
    if named:
        unknown = sorted(set(named) - {book.key for book in BOOKMAKERS})
        if unknown:
            raise ApiError(422, "INVALID_BOOKMAKERS", f"Invalid bookmakers: {', '.join(unknown)}")
        return frozenset(named), ceil(len(named) / _BOOKMAKERS_PER_REGION)
    regions = _listed(params, "regions")
    if not regions:
        raise ApiError(422, "MISSING_REGION", "Missing regions or bookmakers key")
    unknown = sorted(set(regions) - set(REGIONS))
    if unknown:
        raise ApiError(422, "INVALID_REGION", f"Invalid regions: {', '.join(unknown)}")
    books = frozenset(book.key for book in BOOKMAKERS if book.region in regions)
    return books, len(regions)


def _odds_format(params: Mapping[str, str]) -> OddsFormat:
    odds_format = params.get("oddsFormat", "decimal")
    if odds_format not in ("decimal", "american"):
        raise ApiError(422, "INVALID_ODDS_FORMAT", f"Invalid oddsFormat: {odds_format}")
    return cast("OddsFormat", odds_format)
