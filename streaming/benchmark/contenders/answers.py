"""Prices as a provider's answers, in the form of The Odds API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from streaming.providers.base import Request, Response
from valuation.arrays import FloatArray

ADAPTER = "the_odds_api"
MARKETS_IN_ANSWER = 100
"""One market an event: with ten bookmakers of two prices each, an answer has 2,000 quotes."""
STARTS_IN = timedelta(days=9)


def sport_of(market: int) -> int:
    """Return the number of the sport that a market belongs to: one sport an answer."""
    return market // MARKETS_IN_ANSWER


def request_of(sport: int) -> Request:
    """Return the request that lists a sport, of a family of its own."""
    path = f"/v4/sports/{sport_key(sport)}/odds"
    return Request(ADAPTER, "http://127.0.0.1:9", path, {"markets": "h2h", "oddsFormat": "decimal"})


def body_of(sport: int, prices: FloatArray, starts_at: datetime, stamped_at: datetime) -> bytes:
    """Return an answer that lists all markets of a sport.

    Args:
        sport: its number.
        prices: of all markets, shape (markets, books, 2).
        starts_at: when its events start.
        stamped_at: when the provider looked at the prices.
    """
    first = sport * MARKETS_IN_ANSWER
    stamp = _text(stamped_at)
    events = [
        {
            "id": f"event-{market}",
            "sport_key": sport_key(sport),
            "sport_title": f"Sport {sport}",
            "commence_time": _text(starts_at),
            "home_team": home_of(market),
            "away_team": away_of(market),
            "bookmakers": [
                {
                    "key": f"book{book}",
                    "title": f"Book {book}",
                    "last_update": stamp,
                    "markets": [
                        {
                            "key": "h2h",
                            "last_update": stamp,
                            "outcomes": [
                                {"name": home_of(market), "price": home},
                                {"name": away_of(market), "price": away},
                            ],
                        }
                    ],
                }
                for book, (home, away) in enumerate(lines)
            ],
        }
        for market, lines in enumerate(prices[first : first + MARKETS_IN_ANSWER].tolist(), first)
    ]
    return msgspec.json.encode(events)


def home_of(market: int) -> str:
    """Return the name of a market's first outcome."""
    return f"Home {market}"


def away_of(market: int) -> str:
    """Return the name of a market's second outcome."""
    return f"Away {market}"


def answer(body: bytes) -> Response:
    """Return a body as an answer that has just arrived."""
    return Response(200, {}, body, datetime.now(UTC), 0.0, len(body))


def sport_key(sport: int) -> str:
    """Return the key of a sport, whose family is its own."""
    return f"bench{sport}_league"


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
