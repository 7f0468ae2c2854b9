"""Answers of The Odds API, version 4, and what they say about prices.

The types below are what an answer has to fit. Fields they do not name are ignored, for the
service adds some from time to time; a field that is missing or out of bounds is a fault.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import msgspec

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
    check_year,
    parse_json,
)

MIN_AMERICAN = 100  # American odds run from ±100 outwards


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


class MarketKey(NamedTuple):
    """What a market's key says.

    Attributes:
        kind: without period and side.
        period: ``full``, or the part of the event.
        side: ``lay`` for the prices at which an exchange takes a bet on.
        is_handicap: the point is each team's own: −3.5 for one is +3.5 for the other.
        needs_point: a price without a point says nothing.
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
    """The parts of a market's key; `market_key(kind, period)` gives it back without ``_lay``.

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


def decimal_odds(american: float) -> float:
    """American odds as decimal odds: the stake comes back as well.

    >>> decimal_odds(135), decimal_odds(-175)
    (2.35, 1.5714285714285714)
    """
    return 1 + american / 100 if american > 0 else 1 + 100 / -american


def parse(body: bytes, *, is_list: bool) -> list[Event]:
    """The events of an answer.

    Raises:
        DataFailure: the body is not JSON, not of this shape, or no text a database can hold.
    """
    return parse_json(_LIST, body) if is_list else [parse_json(_ONE, body)]


@dataclass(slots=True)
class Reading:
    """Turns events into snapshot events, and keeps what the answer says as a whole.

    Attributes:
        is_american: prices are American odds.
        bookmakers: bookmaker key → title.
        quotes_seen: outcomes read, on offer or not.
    """

    is_american: bool
    bookmakers: dict[str, str] = field(default_factory=dict)
    quotes_seen: int = 0

    def event(self, event: Event) -> SnapshotEvent:
        """The event with what is on offer.

        Raises:
            DataFailure: something in it makes no sense; `where` is its place inside the event.
        """
        check_year(event.commence_time, "commence_time")
        if event.home_team is not None and event.home_team == event.away_team:
            raise DataFailure("same_teams", "A team plays itself.", "away_team")
        return SnapshotEvent(
            external_id=event.id,
            sport_key=event.sport_key,
            sport_title=event.sport_title,
            home=event.home_team or "",
            away=event.away_team or "",
            commence_time=event.commence_time,
            quotes=self._quotes(event),
        )

    def _quotes(self, event: Event) -> list[SnapshotQuote]:
        offers: _Offers = {}
        for b, book in enumerate(event.bookmakers):
            self.bookmakers[book.key] = book.title
            for m, market in enumerate(book.markets):
                try:
                    self._read_market(event, book, market, offers)
                except DataFailure as fault:
                    raise fault.within(f"bookmakers[{b}].markets[{m}]") from None
        return [quote for quote in offers.values() if quote is not None]

    def _read_market(self, event: Event, book: Bookmaker, market: Market, offers: _Offers) -> None:
        key = parse_market_key(market.key)
        source_at = market.last_update or book.last_update
        if source_at is not None:
            check_year(source_at, "last_update")
        self.quotes_seen += len(market.outcomes)
        for o, outcome in enumerate(market.outcomes):
            try:
                price = self._price(outcome.price)
                line = _line(event, key, outcome)
            except DataFailure as fault:
                raise fault.within(f"outcomes[{o}]") from None
            name, point, participant = outcome.name, outcome.point, outcome.description or ""
            # The last of two equal keys decides, even when it takes a price off the board.
            offers[book.key, market.key, participant, name, point] = (
                SnapshotQuote(
                    bookmaker=book.key,
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

    def _price(self, price: float) -> float:
        """Decimal odds; 1.0 or less stands for a price that is off the board."""
        if self.is_american:
            if abs(price) < MIN_AMERICAN:
                raise DataFailure("bad_price", f"{price:g} is not American odds.", "price")
            return decimal_odds(price)
        if price <= -MIN_AMERICAN:
            raise DataFailure("bad_price", f"{price:g} looks like American odds.", "price")
        return price


_Offers = dict[tuple[str, str, str, str, float | None], SnapshotQuote | None]
"""Bookmaker, market key, participant, name, point → the quote, None when off the board."""


def _line(event: Event, market: MarketKey, outcome: Outcome) -> float | None:
    """The point as the home side, or the over, sees it."""
    point = outcome.point
    if point is None:
        if market.needs_point:
            raise DataFailure("no_point", f"A {market.kind} price has no point.", "point")
        return None
    if not market.is_handicap or outcome.name == event.home_team:
        return point + 0.0  # −0.0 is 0.0
    if outcome.name == event.away_team:
        return 0.0 - point
    raise DataFailure("unknown_team", "A handicap names neither team.", "name")
