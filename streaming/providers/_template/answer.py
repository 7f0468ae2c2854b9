"""The shape of an answer, and what its prices mean.

An item that does not fit its type is left out, and costs nothing but itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec

from streaming.core.failures import DataFailure
from streaming.core.snapshot import SnapshotEvent, SnapshotQuote
from streaming.providers.fields import Moment, Name, Number, Title, check_year, parse_items
from streaming.providers.outcomes import DRAW, OVER, UNDER
from streaming.providers.sieve import Nested, Sieve, numbered, salvage

Slug = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_]{1,64}\Z")]
Odds = Annotated[float, msgspec.Meta(gt=1, le=1_000_000)]


class Price(msgspec.Struct, gc=False):
    """One price; `odds` is None while it is withdrawn."""

    market: Literal["h2h", "spreads", "totals"]
    outcome: Literal["home", "away", "draw", "over", "under"]
    odds: Odds | None
    point: Number | None = None


class Book(msgspec.Struct, gc=False):
    """One bookmaker's prices of one event."""

    key: Slug
    title: Title
    seen_at: Moment
    prices: list[Price]


class Event(msgspec.Struct, gc=False):
    """One event."""

    id: Slug
    starts_at: Moment
    home: Name
    away: Name
    books: list[Book]


class Answer(msgspec.Struct, gc=False):
    """All open events of a sport."""

    sport: str
    title: Title
    events: list[Event]


_ANSWERS = msgspec.json.Decoder(Answer)
_NESTED: Nested = MappingProxyType(
    {Answer: ("events", Event), Event: ("books", Book), Book: ("prices", Price)}
)
_OUTCOMES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "h2h": frozenset({"home", "away", "draw"}),
        "spreads": frozenset({"home", "away"}),
        "totals": frozenset({"over", "under"}),
    }
)


def parse(body: bytes, sieve: Sieve) -> Answer:
    """Return what can be read of an answer.

    Raises:
        DataFailure: the body is not JSON, or not of the outermost shape.
    """
    return parse_items(_ANSWERS, body, lambda value: salvage(value, Answer, _NESTED, sieve, "$"))


@dataclass(slots=True)
class Reading:
    """Turns the events of one answer into snapshot events.

    Attributes:
        sieve: collects what cannot be read.
        bookmakers: bookmaker key → title.
        quotes_seen: prices read, on offer or not.
    """

    sieve: Sieve
    bookmakers: dict[str, str] = field(default_factory=dict)
    quotes_seen: int = 0

    def event(self, event: Event, answer: Answer, place: str) -> SnapshotEvent:
        """Return the event with the prices on offer.

        Args:
            event: as it came.
            answer: the answer that lists it.
            place: where it stands in the answer.

        Raises:
            DataFailure: nothing of the event can be used; `where` is its place inside the event.
        """
        check_year(event.starts_at, "starts_at")
        home, away = self.sieve.text(event.home), self.sieve.text(event.away)
        if not home or not away or home == away:
            raise DataFailure("bad_teams", "The event does not name two teams.", "home")
        names = {"home": home, "away": away, "draw": DRAW, "over": OVER, "under": UNDER}
        offers: _Offers = {}
        for number, book in numbered(event.books):
            try:
                check_year(book.seen_at, "seen_at")
            except DataFailure as fault:
                where = f"{place}.books[{number}]"
                self.sieve.leave_out(fault.within(where), max(1, len(book.prices)))
            else:
                self._read_book(book, names, f"{place}.books[{number}]", offers)
        return SnapshotEvent(
            external_id=event.id,
            sport_key=answer.sport,
            sport_title=self.sieve.text(answer.title),
            home=home,
            away=away,
            commence_time=event.starts_at,
            quotes=list(offers.values()),
        )

    def _read_book(self, book: Book, names: Mapping[str, str], place: str, offers: _Offers) -> None:
        self.bookmakers[book.key] = self.sieve.text(book.title) or book.key
        for number, price in numbered(book.prices):
            try:
                line = _line(price)
            except DataFailure as fault:
                self.sieve.leave_out(fault.within(f"{place}.prices[{number}]"))
                continue
            self.sieve.read += 1
            self.quotes_seen += 1
            # Of two prices of one outcome the last decides, even when it withdraws the first.
            outcome = book.key, price.market, price.outcome, price.point
            offers.pop(outcome, None)
            if price.odds is not None:
                offers[outcome] = SnapshotQuote(
                    bookmaker=book.key,
                    kind=price.market,
                    period="full",
                    participant="",
                    name=names[price.outcome],
                    point=None if price.point is None else price.point + 0.0,  # −0.0 is 0.0
                    line=line,
                    side="back",
                    price=price.odds,
                    source_at=book.seen_at,
                )


_Offers = dict[tuple[str, str, str, float | None], SnapshotQuote]
"""Bookmaker, market, outcome, point → the quote."""


def _line(price: Price) -> float | None:
    """Return the point as the home side, or the over, sees it."""
    if price.outcome not in _OUTCOMES[price.market]:
        words = f"{price.market} has no outcome {price.outcome!r}."
        raise DataFailure("unknown_outcome", words, "outcome")
    if (price.point is None) != (price.market == "h2h"):
        words = "A handicap and a total have a point, a winner has none."
        raise DataFailure("bad_point", words, "point")
    if price.point is None:
        return None
    is_turned = price.market == "spreads" and price.outcome == "away"
    return 0.0 - price.point if is_turned else price.point + 0.0  # −0.0 is 0.0
