"""Reading of answers that mostly repeat what an earlier one said.

A market's stamp moves with each look, while its prices mostly stand. So the list of prices is taken
as bytes: where the last answer had the same, what was read then is used again, under the new stamp.

What was read depends on those bytes and on the cache's keys alone, so nothing can make it wrong. An
answer with anything unusual in it (a fault, a character to be removed, a repetition) is not read
here at all: `Reading` then reads the whole of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec
from msgspec import structs

from streaming.core.bounded_cache import BoundedCache
from streaming.core.failures import DataFailure
from streaming.core.snapshot import SnapshotEvent, SnapshotQuote, StampedQuotes
from streaming.providers.fields import (
    ExternalId,
    Key,
    Moment,
    Name,
    Title,
    check_year,
    parse_json,
)
from streaming.providers.the_odds_api.answer import Event, Outcome, Place, Reading, Teams

MAX_ITEMS = 200_000
"""The most markets and outcomes that are remembered: some 55 MB."""


class _Market(msgspec.Struct, gc=False):
    key: Key
    outcomes: msgspec.Raw
    last_update: Moment | None = None


class _Bookmaker(msgspec.Struct, gc=False):
    key: Key
    title: Title
    markets: list[_Market]
    last_update: Moment | None = None


class _Event(msgspec.Struct, gc=False):
    id: ExternalId
    sport_key: Key
    sport_title: Title
    commence_time: Moment
    home_team: Name | None
    away_team: Name | None
    bookmakers: list[_Bookmaker]


_LIST = msgspec.json.Decoder(list[_Event])
_ONE = msgspec.json.Decoder(_Event)
_OUTCOMES = msgspec.json.Decoder(list[Outcome])


class _Prices(msgspec.Struct, frozen=True, gc=False):
    """The prices of one bookmaker's market: as received, as read, and how many were listed."""

    raw: bytes
    quotes: tuple[SnapshotQuote, ...]
    listed: int


_Read = dict[tuple[str, str], _Prices]
"""Bookmaker's key, market's key → what was read last."""

_remembered = BoundedCache[tuple[object, ...], _Read](MAX_ITEMS)


@dataclass(frozen=True, slots=True)
class Scope:
    """The request whose answers repeat each other, and what it may be answered with.

    Attributes:
        base_url: of the service.
        feed: identity of the request.
        sport: the sport that it is about.
        event: the one event that it is about; None for a list.
    """

    base_url: str
    feed: str
    sport: str
    event: str | None


def forget() -> None:
    """Read the next answers in full."""
    _remembered.clear()


def read_usual(
    body: bytes, scope: Scope, *, is_american: bool
) -> tuple[Reading, list[SnapshotEvent]] | None:
    """Read an answer in which nothing is unusual; return None for any other.

    Returns:
        The totals of the answer, and its events.
    """
    reading = Reading(is_american)
    try:
        listed = [parse_json(_ONE, body)] if scope.event is not None else parse_json(_LIST, body)
        events = [_event(event, scope, reading) for event in listed]
    except (DataFailure, ValueError, RecursionError):
        return None
    if _is_unusual(reading) or len({event.external_id for event in events}) < len(events):
        return None
    return reading, events


def _event(event: _Event, scope: Scope, reading: Reading) -> SnapshotEvent:
    if event.sport_key != scope.sport or scope.event not in {None, event.id}:
        raise DataFailure("wrong_content", "The event is not one asked for.", "id")
    bare = reading.event(
        Event(
            id=event.id,
            sport_key=event.sport_key,
            sport_title=event.sport_title,
            commence_time=event.commence_time,
            home_team=event.home_team,
            away_team=event.away_team,
            bookmakers=[],
        ),
        "$",
    )
    key = (scope.base_url, scope.feed, reading.is_american, event.id, bare.home, bare.away)
    known, read = _remembered.get(key) or {}, _Read()
    stamps: list[datetime | None] = []
    for book in event.bookmakers:
        reading.bookmakers[reading.sieve.key(book.key, "key")] = (
            reading.sieve.text(book.title) or book.key
        )
        for market in book.markets:
            name, raw = (book.key, market.key), bytes(market.outcomes)
            prices = known.get(name)
            if prices is None or prices.raw != raw:
                prices = _prices(raw, name, Teams(bare.home, bare.away), reading)
            if name in read:
                raise DataFailure("repeated_market", "The market is listed twice.", "key")
            read[name] = prices
            stamp = market.last_update or book.last_update
            if stamp is not None:
                check_year(stamp, "last_update")
            stamps.append(stamp)
            reading.quotes_seen += prices.listed
    if read != known:
        _remembered.put(key, read, sum(1 + prices.listed for prices in read.values()))
    quotes = StampedQuotes([prices.quotes for prices in read.values()], stamps)
    return structs.replace(bare, quotes=quotes)


def _prices(raw: bytes, name: tuple[str, str], teams: Teams, reading: Reading) -> _Prices:
    """Read the prices of a market that have changed.

    Raises:
        DataFailure: one cannot be read, or only without some of its characters. It must not be
            remembered: the fault has to be counted in each answer.
    """
    bookmaker, market = name
    reading.sieve.key(market, "key")
    outcomes = _OUTCOMES.decode(raw)
    quotes = reading.market(Place(teams, bookmaker, None, ("$", 0, 0)), market, outcomes)
    if _is_unusual(reading):
        raise DataFailure("unusual", "Not all of the market is read as it is.", "outcomes")
    return _Prices(raw, quotes, len(outcomes))


def _is_unusual(reading: Reading) -> bool:
    return bool(reading.sieve.cleaned or reading.sieve.left_out)
