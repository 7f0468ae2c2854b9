"""The Odds API v4 over a simulated market: each request gets the documented answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from streaming.core.american import to_american
from streaming.simulator.catalogue import FEATURED_MARKETS
from streaming.simulator.event import Desk, SimulatedEvent
from streaming.simulator.market import Board, Market
from streaming.simulator.query import (
    EVENT_NOT_FOUND,
    NOT_FOUND,
    OUT_OF_USAGE_CREDITS,
    UNKNOWN_SPORT,
    Answer,
    ApiError,
    OddsQuery,
    check_event_id,
    check_key,
    parse_days_from,
    parse_event_ids,
    parse_odds_query,
)
from streaming.simulator.quoting import Offer

Json = dict[str, Any]

DEFAULT_QUOTA = 100_000_000


class Source(Protocol):
    """The source of the server's answers: a market or a recording."""

    def answer(self, path: str, params: Mapping[str, str], now: datetime) -> Answer:
        """Answer the request for `path` at `now`; a refusal is an answer too."""


class Quota:
    """The credits of one key. Empty answers are free."""

    def __init__(self, limit: int = DEFAULT_QUOTA) -> None:
        self._limit = limit
        self._used = 0
        self._last = 0

    def require(self) -> None:
        """Refuse if no credits are left.

        Raises:
            ApiError: out of usage credits; status 401, not 429.
        """
        self._last = 0
        if self._used >= self._limit:
            raise OUT_OF_USAGE_CREDITS

    def charge(self, cost: int) -> None:
        """Charge the cost of an answer."""
        self._last = cost
        self._used += cost

    def headers(self) -> dict[str, str]:
        """Return the three headers that every answer carries."""
        return {
            "x-requests-remaining": str(max(0, self._limit - self._used)),
            "x-requests-used": str(self._used),
            "x-requests-last": str(self._last),
        }


class OddsApi:
    """The API of a simulated market.

    Args:
        market: the market.
        api_key: the one key that is valid.
        quota: the key's credits.
    """

    def __init__(self, market: Market, api_key: str, quota: Quota | None = None) -> None:
        self._market = market
        self._api_key = api_key
        self._quota = quota or Quota()

    def answer(self, path: str, params: Mapping[str, str], now: datetime) -> Answer:
        """Answer the request for `path` at `now`; a refusal is an answer too."""
        try:
            check_key(params, self._api_key)
            self._quota.require()
            body = msgspec.json.encode(self._route(path, params, now))
        except ApiError as error:
            return error.answer(self._quota.headers())
        return Answer(200, body, self._quota.headers())

    def _route(self, path: str, params: Mapping[str, str], now: datetime) -> Json | list[Json]:
        match path.strip("/").split("/"):
            case ["v4", "sports"]:
                return self._sports()
            case ["v4", "sports", sport, "odds"]:
                return self._list_odds(self._board(sport, now), params)
            case ["v4", "sports", sport, "events"]:
                return self._list_events(self._board(sport, now), params)
            case ["v4", "sports", sport, "scores"]:
                return self._scores(self._board(sport, now), params, now)
            case ["v4", "sports", sport, "events", event_id, "odds"]:
                return self._event_odds(self._board(sport, now), event_id, params)
        raise NOT_FOUND

    def _board(self, sport: str, now: datetime) -> Board:
        try:
            return self._market.board(sport, now)
        except KeyError:
            raise UNKNOWN_SPORT from None

    def _sports(self) -> list[Json]:
        return [
            {
                "key": sport.key,
                "group": sport.group,
                "title": sport.title,
                "description": sport.description,
                "active": True,
                "has_outrights": False,
            }
            for sport in self._market.sports
        ]

    def _list_events(self, board: Board, params: Mapping[str, str]) -> list[Json]:
        wanted = parse_event_ids(params)
        return [self._event(event) for event in board.events() if not wanted or event.id in wanted]

    def _list_odds(self, board: Board, params: Mapping[str, str]) -> list[Json]:
        query = parse_odds_query(params, FEATURED_MARKETS)
        events = [e for e in board.events() if not query.event_ids or e.id in query.event_ids]
        self._quota.charge(len(query.markets) * query.regions if events else 0)
        return [
            self._event(event) | {"bookmakers": self._bookmakers(event, query, board.clock)}
            for event in events
        ]

    def _scores(self, board: Board, params: Mapping[str, str], now: datetime) -> list[Json]:
        """Return what events stand at; for the days asked for, how those ended that are over."""
        days, wanted = parse_days_from(params), parse_event_ids(params)
        oldest = now - timedelta(days=days)
        over = [
            event
            for event in board.ended()
            if days and self._market.wall_time(event.commence) >= oldest
        ]
        listed = [*over, *board.events()]
        self._quota.charge((2 if days else 1) if listed else 0)
        return [
            self._event(event) | self._standing(event, board.clock)
            for event in listed
            if not wanted or event.id in wanted
        ]

    def _standing(self, event: SimulatedEvent, at: float) -> Json:
        scores = event.score(at)
        if scores is None:
            return {"completed": False, "scores": None, "last_update": None}
        names = (event.fixture.home, event.fixture.away)
        return {
            "completed": at >= event.end,
            "scores": [
                {"name": name, "score": str(score)}
                for name, score in zip(names, scores, strict=True)
            ],
            "last_update": self._stamp(min(at, event.end)),
        }

    def _event_odds(self, board: Board, event_id: str, params: Mapping[str, str]) -> Json:
        """Return one event's odds; charge for the markets in the answer, not those requested."""
        check_event_id(event_id)
        query = parse_odds_query(params, board.sport.event_markets)
        event = next((event for event in board.events() if event.id == event_id), None)
        if event is None:
            raise EVENT_NOT_FOUND
        bookmakers = self._bookmakers(event, query, board.clock)
        found = {market["key"] for book in bookmakers for market in book["markets"]}
        self._quota.charge(len(found.intersection(query.markets)) * query.regions)
        for book in bookmakers:
            del book["last_update"]  # this endpoint stamps markets only
        return self._event(event) | {"bookmakers": bookmakers}

    def _event(self, event: SimulatedEvent) -> Json:
        return {
            "id": event.id,
            "sport_key": event.fixture.sport.key,
            "sport_title": event.fixture.sport.title,
            "commence_time": self._stamp(event.commence),
            "home_team": event.fixture.home,
            "away_team": event.fixture.away,
        }

    def _bookmakers(self, event: SimulatedEvent, query: OddsQuery, at: float) -> list[Json]:
        books = []
        for desk in event.desks:
            if desk.book.key not in query.books:
                continue
            stamp = self._stamp(desk.last_update(at))
            markets = _markets(desk, query, at, stamp)
            if markets:
                books.append(
                    {
                        "key": desk.book.key,
                        "title": desk.book.title,
                        "last_update": stamp,
                        "markets": markets,
                    }
                )
        return books

    def _stamp(self, seconds: float) -> str:
        return f"{self._market.wall_time(seconds):%Y-%m-%dT%H:%M:%SZ}"


def _markets(desk: Desk, query: OddsQuery, at: float, stamp: str) -> list[Json]:
    is_suspended = desk.is_suspended(at)
    # American odds cannot express 1.0, so there a suspended bookmaker is missing.
    is_listed = desk.book.lists_suspended and query.odds_format == "decimal"
    if is_suspended and not is_listed:
        return []
    markets = []
    for kind in _with_lay(query.markets):
        outcomes = [
            _outcome(offer._replace(price=1.0) if is_suspended else offer, query)
            for offer in desk.offers(kind)
        ]
        if outcomes:
            markets.append({"key": kind, "last_update": stamp, "outcomes": outcomes})
    return markets


def _with_lay(markets: tuple[str, ...]) -> tuple[str, ...]:
    """Add an exchange's lay prices to its moneyline, as the API does without a request."""
    if "h2h" in markets and "h2h_lay" not in markets:
        return (*markets, "h2h_lay")
    return markets


def _outcome(offer: Offer, query: OddsQuery) -> Json:
    american = query.odds_format == "american"
    outcome: Json = {"name": offer.name}
    if offer.description:
        outcome["description"] = offer.description
    outcome["price"] = to_american(offer.price) if american else offer.price
    if offer.point is not None:
        outcome["point"] = offer.point
    return outcome
