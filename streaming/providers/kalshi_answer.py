"""Answers of Kalshi to ``GET /events``, and what they say about prices.

The types below are what an answer has to fit; fields they do not name are ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from streaming.core.failures import DataFailure, one_line
from streaming.core.snapshot import SnapshotEvent, SnapshotQuote
from streaming.providers.fields import (
    Description,
    ExternalId,
    Moment,
    Number,
    check_year,
    parse_json,
)
from streaming.providers.kalshi_contracts import (
    DRAW,
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
from streaming.providers.kalshi_tickers import OUTRIGHTS, Series, parse_game

DRAWS = frozenset({"Tie", "Draw"})

GAME_TIME = timedelta(hours=3)
"""How long after the start a market's `occurrence_datetime` is: the time by which the outcome is
expected, whatever the sport. In recorded answers it was so to the minute for each of 9 events whose
ticker states the start, and it put each of 53 others, of five leagues, on the ticker's date."""


class Market(msgspec.Struct, gc=False):
    """One contract.

    NO's prices are left unread: they are those of YES, from the other end of the same book.
    """

    status: Description
    updated_time: Moment
    yes_sub_title: Description
    yes_bid_dollars: Dollars
    yes_ask_dollars: Dollars
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
    """One page of events; a cursor that is not empty leads to the next."""

    events: list[Event]
    cursor: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None


_ANSWERS = msgspec.json.Decoder(Answer)


def parse(body: bytes) -> Answer:
    """The body as an answer.

    Raises:
        DataFailure: as `parse_json` does.
    """
    return parse_json(_ANSWERS, body)


def matchup(title: str, *, is_home_first: bool) -> tuple[str, str]:
    """Home and away of a game's title.

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
    """Turns the events of one series into snapshot events.

    Attributes:
        series: what the series lists.
        quotes_seen: prices read, on offer or not.
    """

    series: Series
    quotes_seen: int = 0

    def event(self, event: Event) -> SnapshotEvent:
        """The event with what is on offer.

        Raises:
            DataFailure: something in it makes no sense; `where` is its place inside the event.
        """
        league = self.series.league
        home = away = ""
        external_id, start = event.event_ticker, None
        if self.series.kind != OUTRIGHTS:
            home, away = matchup(event.title, is_home_first=league.is_home_first)
            game = parse_game(event.event_ticker, league)
            external_id, start = game.external_id, game.start
        return SnapshotEvent(
            external_id=external_id,
            sport_key=league.sport,
            sport_title=league.title,
            home=home,
            away=away,
            commence_time=start or self._start(event),
            quotes=self._quotes(event, home, away),
        )

    def _start(self, event: Event) -> datetime:
        """When it starts, by its markets' times; a title starts when it is decided."""
        decided = _earliest(event, lambda market: market.occurrence_datetime) or _earliest(
            event, lambda market: market.expected_expiration_time
        )
        if decided is None:
            raise DataFailure("no_start", "Nothing says when the event starts.", "markets")
        check_year(decided, "markets")
        return decided if self.series.kind == OUTRIGHTS else decided - GAME_TIME

    def _quotes(self, event: Event, home: str, away: str) -> list[SnapshotQuote]:
        read: dict[tuple[str, float | None, str], SnapshotQuote] = {}
        for m, market in enumerate(event.markets):
            try:
                quotes = self._offers(market, home, away)
            except DataFailure as fault:
                raise fault.within(f"markets[{m}]") from None
            # The last of two equal keys decides, even when it takes a price off the board.
            read.update({(quote.name, quote.point, quote.side): quote for quote in quotes})
        return [quote for quote in read.values() if quote.price is not None]

    def _offers(self, market: Market, home: str, away: str) -> list[SnapshotQuote]:
        check_year(market.updated_time, "updated_time")
        contract = _contract(self.series.kind, market, home, away)
        touch = Touch.of(micro(market.yes_bid_dollars), micro(market.yes_ask_dollars))
        if market.status != "active":
            touch = Touch(None, None)
        quotes = list(offers(contract, touch, market.updated_time))
        self.quotes_seen += len(quotes)
        return quotes


def _earliest(event: Event, time_of: Callable[[Market], datetime | None]) -> datetime | None:
    return min((at for market in event.markets if (at := time_of(market))), default=None)


def _contract(kind: str, market: Market, home: str, away: str) -> Contract:
    name = market.yes_sub_title
    if kind == OUTRIGHTS:
        if not name:
            raise DataFailure("no_name", "A contract names nobody.", "yes_sub_title")
        return outright(name)
    if kind == "h2h":
        return moneyline(_winner(name, home, away))
    if market.strike_type != "greater" or market.floor_strike is None:
        raise DataFailure("bad_strike", "A contract is not about more than so much.", "strike_type")
    if kind == "totals":
        return total(market.floor_strike)
    # "Seattle wins by over 1.5 runs"
    for team, opponent in ((home, away), (away, home)):
        if name.startswith(f"{team} wins by "):
            return spread(team, opponent, market.floor_strike, is_home=team == home)
    raise DataFailure("unknown_team", "A handicap names neither team.", "yes_sub_title")


def _winner(name: str, home: str, away: str) -> str:
    if name in DRAWS:
        return DRAW
    if name not in (home, away):
        raise DataFailure("unknown_team", "A contract names neither team.", "yes_sub_title")
    return name
