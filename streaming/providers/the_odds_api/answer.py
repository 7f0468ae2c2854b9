"""Answers of The Odds API, version 4, and the prices in them.

An answer has to fit the types below. Fields that they do not name are ignored, because the service
adds some from time to time. An item with a field missing or out of bounds is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from streaming.core.american import MIN_AMERICAN
from streaming.core.failures import DataFailure
from streaming.core.snapshot import Side, SnapshotEvent, SnapshotQuote
from streaming.providers.fields import (
    Description,
    ExternalId,
    Key,
    Moment,
    Name,
    Number,
    Title,
    american_price,
    check_year,
    parse_items,
)
from streaming.providers.outcomes import fixed_name
from streaming.providers.sieve import Nested, Sieve, numbered, salvage, salvaged


class Outcome(msgspec.Struct, gc=False):
    """One price."""

    name: Name
    price: Number
    point: Number | None = None
    description: Description | None = None


class Market(msgspec.Struct, gc=False):
    """One bookmaker's prices of one kind."""

    key: Key
    outcomes: list[Outcome]
    last_update: Moment | None = None


class Bookmaker(msgspec.Struct, gc=False):
    """One bookmaker's markets on one event."""

    key: Key
    title: Title
    markets: list[Market]
    last_update: Moment | None = None


class Event(msgspec.Struct, gc=False):
    """One event; an outright (who wins the tournament?) has no teams."""

    id: ExternalId
    sport_key: Key
    sport_title: Title
    commence_time: Moment
    home_team: Name | None
    away_team: Name | None
    bookmakers: list[Bookmaker]


_LIST = msgspec.json.Decoder(list[Event])
_ONE = msgspec.json.Decoder(Event)
_NESTED: Nested = MappingProxyType(
    {
        Event: ("bookmakers", Bookmaker),
        Bookmaker: ("markets", Market),
        Market: ("outcomes", Outcome),
    }
)


class MarketKey(NamedTuple):
    """The parts of a market's key.

    Attributes:
        kind: without period and side.
        period: ``full``, or the part of the event.
        side: ``lay`` for an exchange's lay prices, otherwise ``back``.
        is_handicap: the point is each team's own: −3.5 for one is +3.5 for the other.
        needs_point: a price without a point has no meaning.
    """

    kind: str
    period: str
    side: Side
    is_handicap: bool
    needs_point: bool


_MARKET_KEY = re.compile(
    r"(?P<kind>.+?)(?:_(?P<period>h[12]|q[1-4]|p[1-3]|s[1-5]|1st_[1-9]_innings))?(?P<lay>_lay)?",
    re.DOTALL,
)


@lru_cache(maxsize=4096)
def parse_market_key(key: str) -> MarketKey:
    """Split a market's key; `market_key(kind, period)` restores it without ``_lay``.

    >>> parse_market_key("alternate_spreads_h1")[:4]
    ('alternate_spreads', 'h1', 'back', True)
    >>> parse_market_key("h2h_3_way_1st_5_innings")[:4]
    ('h2h_3_way', '1st_5_innings', 'back', False)
    >>> parse_market_key("h2h_lay")[:4]
    ('h2h', 'full', 'lay', False)
    """
    match = _MARKET_KEY.fullmatch(key)
    assert match is not None, "the pattern matches every text that is not empty"
    kind = match["kind"]
    is_handicap = "spreads" in kind
    return MarketKey(
        kind=kind,
        period=match["period"] or "full",
        side="lay" if match["lay"] else "back",
        is_handicap=is_handicap,
        needs_point=is_handicap or "totals" in kind,
    )


def parse(body: bytes, sieve: Sieve, *, is_list: bool) -> Iterator[tuple[str, Event]]:
    """Yield the events of an answer that can be read, each with its place.

    Raises:
        DataFailure: the body is not JSON, or holds no list where one is expected.
    """
    if not is_list:
        event = parse_items(_ONE, body, lambda value: salvage(value, Event, _NESTED, sieve, "$"))
        yield "$", event
        return
    events = parse_items(_LIST, body, lambda value: _salvaged(value, sieve))
    for number, event in numbered(events):
        yield f"$[{number}]", event


def _salvaged(values: object, sieve: Sieve) -> list[Event] | None:
    """Return what can be read of a list of events; None if the value is no list."""
    if not isinstance(values, list):
        return None
    events = salvaged(values, Event, _NESTED, sieve, "$")
    read = set(events.numbers)
    for number, value in enumerate(values):
        if number not in read:
            sieve.miss_event(value.get("id") if isinstance(value, dict) else None)
    return events


class Teams(NamedTuple):
    """The two sides of an event; both empty where it has none."""

    home: str
    away: str


class Place(NamedTuple):
    """The data that all prices of one market of an answer share.

    Attributes:
        teams: of its event.
        bookmaker: whose prices they are.
        source_at: the provider's timestamp.
        where: the event's place in the answer, the bookmaker's number in it, and the market's.
    """

    teams: Teams
    bookmaker: str
    source_at: datetime | None
    where: tuple[str, int, int]


@dataclass(slots=True)
class Reading:
    """The conversion of events to snapshot events, with the totals of the whole answer.

    Attributes:
        is_american: prices are American odds.
        sieve: collects what cannot be read.
        bookmakers: bookmaker key → title.
        quotes_seen: outcomes read, on offer or not.
    """

    is_american: bool
    sieve: Sieve = field(default_factory=Sieve)
    bookmakers: dict[str, str] = field(default_factory=dict)
    quotes_seen: int = 0

    def event(self, event: Event, place: str) -> SnapshotEvent:
        """Convert an event, with the quotes on offer that can be read.

        Args:
            event: the event as received.
            place: its place in the answer.

        Raises:
            DataFailure: the event cannot be bet on; `where` is the fault's place in the event.
        """
        check_year(event.commence_time, "commence_time")
        text = self.sieve.text
        home, away = (text(team or "") for team in (event.home_team, event.away_team))
        if home and home == away:
            raise DataFailure("same_teams", "A team plays itself.", "away_team")
        if (event.home_team and not home) or (event.away_team and not away):
            raise DataFailure("no_name", "A team's name has no visible character.", "home_team")
        return SnapshotEvent(
            external_id=self.sieve.key(event.id, "id"),
            sport_key=event.sport_key,
            sport_title=text(event.sport_title),
            home=home,
            away=away,
            commence_time=event.commence_time,
            quotes=self._quotes(event, Teams(home, away), place),
        )

    def market(
        self, at: Place, market_key: str, outcomes: list[Outcome]
    ) -> tuple[SnapshotQuote, ...]:
        """Convert one market alone: its prices on offer that can be read."""
        offers: _Offers = {}
        self._read_market(at, market_key, outcomes, offers)
        return tuple(quote for quote in offers.values() if quote is not None)

    def _quotes(self, event: Event, teams: Teams, place: str) -> list[SnapshotQuote]:
        offers: _Offers = {}
        for b, book in numbered(event.bookmakers):
            try:
                key = self.sieve.key(book.key, "key")
            except DataFailure as fault:
                outcomes = sum(max(1, len(market.outcomes)) for market in book.markets)
                self.sieve.leave_out(fault.within(f"{place}.bookmakers[{b}]"), max(1, outcomes))
                continue
            self.bookmakers[key] = self.sieve.text(book.title) or key
            for m, market in numbered(book.markets):
                try:
                    market_key = self.sieve.key(market.key, "key")
                    at = Place(teams, key, _source_at(book, market), (place, b, m))
                except DataFailure as fault:
                    where = f"{place}.bookmakers[{b}].markets[{m}]"
                    self.sieve.leave_out(fault.within(where), max(1, len(market.outcomes)))
                else:
                    self._read_market(at, market_key, market.outcomes, offers)
                    self.quotes_seen += len(market.outcomes)
        return [quote for quote in offers.values() if quote is not None]

    def _read_market(
        self, at: Place, market_key: str, outcomes: list[Outcome], offers: _Offers
    ) -> None:
        teams, bookmaker, source_at, where = at
        text = self.sieve.text
        key = parse_market_key(market_key)
        bad = 0
        for o, outcome in numbered(outcomes):
            name, point, description = outcome.name, outcome.point, outcome.description
            if name not in teams:
                name = fixed_name(key.kind, name if name.isprintable() else text(name))
            try:
                price = self._price(outcome.price)
                line = _line(teams, key, name, point)
            except DataFailure as fault:
                bad += 1
                self.sieve.leave_out(
                    fault.within("{}.bookmakers[{}].markets[{}].outcomes[{}]".format(*where, o))
                )
                continue
            participant = text(description) if description else ""
            # The last of two equal keys counts, even if it takes a price off the board.
            offers[bookmaker, market_key, participant, name, point] = (
                SnapshotQuote(
                    bookmaker=bookmaker,
                    kind=key.kind,
                    period=key.period,
                    participant=participant,
                    name=name,
                    point=None if point is None else point + 0.0,  # −0.0 is 0.0
                    line=line,
                    side=key.side,
                    price=price,
                    source_at=source_at,
                )
                if price > 1
                else None
            )
        self.sieve.read += len(outcomes) - bad

    def _price(self, price: float) -> float:
        """Return decimal odds; 1.0 or less stands for a price that is off the board."""
        if self.is_american:
            return american_price(price, "price")
        if price <= -MIN_AMERICAN:
            raise DataFailure("bad_price", f"{price:g} looks like American odds.", "price")
        return price


_Offers = dict[tuple[str, str, str, str, float | None], SnapshotQuote | None]
"""Bookmaker, market key, participant, name, point → the quote, None when off the board."""


def _source_at(book: Bookmaker, market: Market) -> datetime | None:
    source_at = market.last_update or book.last_update
    if source_at is not None:
        check_year(source_at, "last_update")
    return source_at


def _line(teams: Teams, market: MarketKey, name: str, point: float | None) -> float | None:
    """Return the point from the view of the home side, or of the over."""
    if not name:
        raise DataFailure("no_name", "A price has no outcome.", "name")
    if point is None:
        if market.needs_point:
            raise DataFailure("no_point", f"A {market.kind} price has no point.", "point")
        return None
    if not market.is_handicap or name == teams.home:
        return point + 0.0  # −0.0 is 0.0
    if name == teams.away:
        return 0.0 - point
    raise DataFailure("unknown_team", "A handicap names neither team.", "name")
