"""Answers of Kalshi to ``GET /events``, and the prices in them.

An answer has to fit the types below; fields that they do not name are ignored. An item that does
not fit is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Annotated

import msgspec

from streaming.core.failures import DataFailure
from streaming.core.snapshot import SnapshotEvent, SnapshotQuote
from streaming.core.texts import one_line
from streaming.providers.fields import (
    Description,
    ExternalId,
    Moment,
    Number,
    check_year,
    parse_items,
    unpadded,
)
from streaming.providers.kalshi.contracts import (
    Contract,
    Dollars,
    Touch,
    micro,
    moneyline,
    offers,
    outright,
    spread,
    total,
)
from streaming.providers.kalshi.tickers import OUTRIGHTS, Series, parse_game
from streaming.providers.outcomes import DRAW, fixed_name
from streaming.providers.sieve import Nested, Sieve, numbered, salvage

Cursor = Annotated[str, msgspec.Meta(max_length=10_000)]

GAME_TIME = timedelta(hours=3)
"""The time from the start to a market's `occurrence_datetime`, by which the outcome is expected; it
is the same for all sports. In recorded answers it was exact to the minute for each of 9 events
whose ticker states the start, and put each of 53 others, of five leagues, on the ticker's date."""


class Market(msgspec.Struct, gc=False):
    """One contract.

    NO's prices are not read: they are those of YES, from the other side of the same book. A null
    price means no price; a missing one is a fault, because its field may have been renamed.
    """

    status: Description
    updated_time: Moment
    yes_sub_title: Description
    yes_bid_dollars: Dollars | None
    yes_ask_dollars: Dollars | None
    strike_type: Description = ""
    floor_strike: Number | None = None
    occurrence_datetime: Moment | None = None
    expected_expiration_time: Moment | None = None


class Event(msgspec.Struct, gc=False):
    """One event of a series: a game, or a title to be won."""

    event_ticker: ExternalId
    series_ticker: ExternalId
    title: Description
    markets: list[Market] = []


class Answer(msgspec.Struct, gc=False):
    """One page of events; a cursor that is not empty requests the next page."""

    events: list[Event]
    cursor: Cursor | None = None


class _Outline(msgspec.Struct, gc=False):
    """The form of a page, without that of its events."""

    events: list[object]
    cursor: Cursor | None = None


_ANSWERS = msgspec.json.Decoder(Answer)
_OUTLINES = msgspec.json.Decoder(_Outline)
_NESTED: Nested = MappingProxyType({Answer: ("events", Event), Event: ("markets", Market)})


def parse(body: bytes, sieve: Sieve) -> Answer:
    """Decode the body as an answer, without the events and contracts that cannot be read.

    Raises:
        DataFailure: the body is not JSON, or lists no events.
    """
    return parse_items(_ANSWERS, body, lambda value: _salvaged(value, sieve))


def next_cursor(body: bytes) -> str:
    """Return the cursor of the next page; empty if this is the last page, or no page."""
    try:
        return _OUTLINES.decode(unpadded(body)).cursor or ""
    except (ValueError, RecursionError):
        return ""


def _salvaged(value: object, sieve: Sieve) -> Answer | None:
    """Return what can be read of an answer; None if it lists no events."""
    try:
        msgspec.convert(value, _Outline)
    except msgspec.ValidationError:
        return None
    return salvage(value, Answer, _NESTED, sieve, "$")


def matchup(title: str, *, is_home_first: bool) -> tuple[str, str]:
    """Return home and away from a game's title.

    Raises:
        DataFailure: the title names no two teams.

    >>> matchup("Tampa Bay vs Seattle: Total Runs", is_home_first=False)
    ('Seattle', 'Tampa Bay')
    >>> matchup("Gulls at Owls Winner?", is_home_first=True)
    ('Owls', 'Gulls')
    """
    teams = title.partition(": ")[0].removesuffix(" Winner?")
    for joint in (" vs ", " vs. ", " at "):
        first, found, second = (part.strip() for part in teams.partition(joint))
        if found and first and second and first != second:
            is_home = is_home_first and found != "at"
            return (first, second) if is_home else (second, first)
    raise DataFailure("bad_title", f"{one_line(title)!r} names no two teams.", "title")


@dataclass(slots=True)
class Reading:
    """The conversion of one series' events to snapshot events.

    Attributes:
        series: what the series lists.
        sieve: collects what cannot be read.
        quotes_seen: prices read, on offer or not.
    """

    series: Series
    sieve: Sieve = field(default_factory=Sieve)
    quotes_seen: int = 0

    def event(self, event: Event, place: str) -> SnapshotEvent:
        """Convert an event, with the quotes on offer that can be read.

        Args:
            event: the event as received.
            place: its place in the answer.

        Raises:
            DataFailure: the event cannot be bet on; `where` is the fault's place in the event.
        """
        league = self.series.league
        home = away = ""
        external_id, start = self.sieve.key(event.event_ticker, "event_ticker"), None
        if self.series.kind != OUTRIGHTS:
            home, away = matchup(self.sieve.text(event.title), is_home_first=league.is_home_first)
            game = parse_game(event.event_ticker, league)
            external_id, start = game.external_id, game.start
        return SnapshotEvent(
            external_id=external_id,
            sport_key=league.sport,
            sport_title=league.title,
            home=home,
            away=away,
            commence_time=start or self._start(event),
            quotes=self._quotes(event, home, away, place),
        )

    def id_of(self, event: Event) -> str | None:
        """Return the event's id; None if its ticker cannot be parsed."""
        if self.series.kind == OUTRIGHTS:
            return event.event_ticker
        try:
            return parse_game(event.event_ticker, self.series.league).external_id
        except DataFailure:
            return None

    def _start(self, event: Event) -> datetime:
        """Return an event's start from its markets' times; a title starts when it is decided."""
        decided = _earliest(event, lambda market: market.occurrence_datetime) or _earliest(
            event, lambda market: market.expected_expiration_time
        )
        if decided is None:
            raise DataFailure("no_start", "Nothing says when the event starts.", "markets")
        check_year(decided, "markets")
        return decided if self.series.kind == OUTRIGHTS else decided - GAME_TIME

    def _quotes(self, event: Event, home: str, away: str, place: str) -> list[SnapshotQuote]:
        read: dict[tuple[str, float | None, str], SnapshotQuote] = {}
        for m, market in numbered(event.markets):
            try:
                quotes = self._offers(market, home, away)
            except DataFailure as fault:
                self.sieve.leave_out(fault.within(f"{place}.markets[{m}]"))
                continue
            self.sieve.read += 1
            # The last of two equal keys counts, even if it takes a price off the board.
            read.update({(quote.name, quote.point, quote.side): quote for quote in quotes})
        return [quote for quote in read.values() if quote.price is not None]

    def _offers(self, market: Market, home: str, away: str) -> list[SnapshotQuote]:
        check_year(market.updated_time, "updated_time")
        name = self.sieve.text(market.yes_sub_title)
        contract = _contract(self.series.kind, market, name, home, away)
        touch = Touch.of(_micro(market.yes_bid_dollars), _micro(market.yes_ask_dollars))
        if market.status != "active":
            touch = Touch(None, None)
        quotes = list(offers(contract, touch, market.updated_time))
        self.quotes_seen += len(quotes)
        return quotes


def _earliest(event: Event, time_of: Callable[[Market], datetime | None]) -> datetime | None:
    return min((at for market in event.markets if (at := time_of(market))), default=None)


def _micro(dollars: Dollars | None) -> int | None:
    return None if dollars is None else micro(dollars)


def _contract(kind: str, market: Market, name: str, home: str, away: str) -> Contract:
    if kind == OUTRIGHTS:
        if not name:
            raise DataFailure("no_name", "A contract has no name.", "yes_sub_title")
        return outright(name)
    if kind == "h2h":
        return moneyline(_winner(name, home, away))
    if market.strike_type != "greater" or market.floor_strike is None:
        raise DataFailure("bad_strike", "A contract has no lower bound.", "strike_type")
    if kind == "totals":
        return total(market.floor_strike)
    # "Seattle wins by over 1.5 runs"
    for team, opponent in ((home, away), (away, home)):
        if name.startswith(f"{team} wins by "):
            return spread(team, opponent, market.floor_strike, is_home=team == home)
    raise DataFailure("unknown_team", "A handicap names neither team.", "yes_sub_title")


def _winner(name: str, home: str, away: str) -> str:
    if name in (home, away):
        return name
    if fixed_name("h2h", name) != DRAW:
        raise DataFailure("unknown_team", "A contract names neither team.", "yes_sub_title")
    return DRAW
