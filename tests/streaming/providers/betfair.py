"""Market change messages of an exchange of our own invention."""

from __future__ import annotations

import json
from typing import Any

from streaming.providers.betfair.book import Book
from streaming.providers.betfair.parse import parse
from streaming.providers.sieve import Sieve

MARKET = "1.200000001"
GULLS, OTTERS, DRAW = 101, 102, 103
#: Half an hour before the start, 2026-03-01T12:00:00Z.
BEFORE_MS = 1_772_364_600_000


def definition(**changes: Any) -> dict[str, Any]:
    """An open match between two teams, in the service's own terms."""
    names = {GULLS: "Harbour Gulls", OTTERS: "Mill Otters", DRAW: "The Draw"}
    return {
        "eventId": "30000001",
        "eventTypeId": "1",
        "bettingType": "ODDS",
        "marketType": "MATCH_ODDS",
        "marketTime": "2026-03-01T12:00:00.000Z",
        "status": "OPEN",
        "inPlay": False,
        "name": "Match Odds",
        "eventName": "Harbour Gulls v Mill Otters",
        "runners": [{"id": id_, "name": name, "status": "ACTIVE"} for id_, name in names.items()],
        **changes,
    }


def with_status(status: str, runner: int) -> list[dict[str, Any]]:
    """The runners of the match, one of them no longer active."""
    runners: list[dict[str, Any]] = definition()["runners"]
    return [{**each, "status": status} if each["id"] == runner else each for each in runners]


def change(*runners: dict[str, Any], market: str = MARKET, **fields: Any) -> dict[str, Any]:
    """What changed in one market."""
    return {"id": market, "rc": list(runners), **fields}


def image(*runners: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """All there is of the market."""
    return change(*runners, img=True, marketDefinition=definition(**changes))


def message(*changes: dict[str, Any], ms: int = 0, **fields: Any) -> bytes:
    """A message, published some milliseconds after `BEFORE_MS`."""
    whole = {"op": "mcm", "clk": "AA", "pt": BEFORE_MS + ms, "mc": list(changes), **fields}
    return json.dumps(whole).encode()


def apply(book: Book, *messages: bytes) -> dict[str, bool]:
    """Take messages in, as one answer."""
    return book.apply(parse(b"\n".join(messages), Sieve()))


def best(book: Book, market: str = MARKET) -> dict[tuple[int, str], float]:
    """The best prices on offer, by selection and side."""
    offers = book.markets[market].offers()
    return {(offer.runner.id, offer.side): offer.price for offer in offers}
