"""The prices of a market side by side: per line a grid of outcomes by bookmakers.

The board's page of an event and the API's comparison show it. It is judged at the time of reading.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now

from betting.db.freshness import with_freshness
from betting.db.weights import weight_on_market
from betting.models import Bookmaker, Outcome, Quote, QuoteStatus, Side
from valuation.fees import payout_rank
from valuation.models import FairPrice
from valuation.vouching import (
    JudgedEdge,
    fair_prices_of,
    open_among,
    unjudged_edges,
)

FRESH, STALE = "fresh", "stale"

REASONS = {
    STALE: "nobody has confirmed this price lately",
    QuoteStatus.SUSPENDED.value: "the bookmaker has suspended or withdrawn it",
    QuoteStatus.QUARANTINED.value: "its provider or bookmaker cannot be trusted now",
}
"""Why a price must not be taken, by its state. Only fresh ones may be."""


@dataclass(frozen=True, slots=True)
class Price:
    """A bookmaker's price of an outcome, on one side.

    Attributes:
        quote: with its outcome and bookmaker, `confirmed_at` and `age`, the time since.
        state: `FRESH`, or one of `REASONS`.
        edge: the open edge that it is, or None.
        judged: what was judged of that edge.
    """

    quote: Any
    state: str
    edge: Any
    judged: JudgedEdge | None

    @property
    def is_fresh(self) -> bool:
        """True if it can be bet on now."""
        return self.state == FRESH

    @property
    def is_offered(self) -> bool:
        """True if it is fresh and its bookmaker is a venue: the best price can be no other."""
        return self.is_fresh and bool(self.quote.bookmaker.is_venue)

    @property
    def rank(self) -> tuple[bool, float]:
        """A rank, the greater the more it pays, net of the bookmaker's fee."""
        return payout_rank(self.quote)

    @property
    def reason(self) -> str:
        """Why it must not be taken; empty if it can."""
        return REASONS.get(self.state, "")


@dataclass(frozen=True, slots=True)
class ComparedOutcome:
    """An outcome with its fair price and the prices of all bookmakers.

    Attributes:
        fair: None before it is first valued.
        places: of the line's bookmakers in their order, by id.
        backs, lays: the prices by their bookmaker's id, in that order.
    """

    outcome: Outcome
    fair: FairPrice | None
    places: dict[int, int]
    backs: dict[int, Price]
    lays: dict[int, Price]

    @property
    def prices(self) -> list[Price]:
        """All prices, the sharpest bookmaker's first, of each the back before the lay."""
        both = [*self.backs.values(), *self.lays.values()]
        return sorted(both, key=lambda each: self.places[each.quote.bookmaker_id])

    @property
    def best_back(self) -> Price | None:
        """The price to back that pays most, net of fees, of those that can be bet on now.

        Of equal ones that of the sharpest bookmaker.
        """
        return _best(self.backs)

    @property
    def best_lay(self) -> Price | None:
        """The price to lay that pays most, net of fees, of those that can be bet on now."""
        return _best(self.lays)


@dataclass(frozen=True, slots=True)
class ComparedLine:
    """The outcomes of one line that exclude each other.

    Attributes:
        line: the point as the home side or the over sees it; None where the market has none.
        books: the bookmakers, those with the most weight first.
        outcomes: in the order of their creation.
    """

    line: float | None
    books: tuple[Bookmaker, ...]
    outcomes: tuple[ComparedOutcome, ...]


def compared(market_id: int) -> list[ComparedLine]:
    """Return a market's lines, the one with the most fresh prices first: four statements."""
    age = ExpressionWrapper(Now() - F("confirmed_at"), DurationField())
    quotes: Any = with_freshness(Quote.objects.filter(market=market_id)).annotate(
        age=age, weight=weight_on_market()
    )
    fair = {price.outcome_id: price for price in fair_prices_of(market_id)}
    stored = {edge.pk: edge for edge in unjudged_edges().filter(market=market_id, closed_at=None)}
    judged = open_among(list(stored))
    edges = {stored[pk].quote_id: (stored[pk], judged[pk]) for pk in judged}
    by_line: dict[float | None, list[Price]] = defaultdict(list)
    for quote in quotes.select_related("outcome", "bookmaker"):
        price = Price(quote, _state(quote), *edges.get(quote.pk, (None, None)))
        by_line[quote.outcome.line].append(price)
    ordered = sorted(by_line.items(), key=lambda item: (-_fresh(item[1]), item[0] or 0.0))
    return [_line(line, prices, fair) for line, prices in ordered]


def _best(prices: dict[int, Price]) -> Price | None:
    offered = (each for each in prices.values() if each.is_offered)
    return max(offered, key=lambda each: each.rank, default=None)


def _fresh(prices: list[Price]) -> int:
    return sum(price.is_fresh for price in prices)


def _line(line: float | None, prices: list[Price], fair: dict[int, FairPrice]) -> ComparedLine:
    weights = {price.quote.bookmaker: price.quote.weight for price in prices}
    books = sorted(weights, key=lambda book: (-weights[book], book.title))
    place = {book.pk: index for index, book in enumerate(books)}
    by_outcome: dict[int, list[Price]] = defaultdict(list)
    for price in sorted(prices, key=lambda price: place[price.quote.bookmaker_id]):
        by_outcome[price.quote.outcome_id].append(price)
    outcomes = tuple(
        ComparedOutcome(
            of[0].quote.outcome, fair.get(pk), place, _side(of, Side.BACK), _side(of, Side.LAY)
        )
        for pk, of in sorted(by_outcome.items())
    )
    return ComparedLine(line, tuple(books), outcomes)


def _side(prices: list[Price], side: str) -> dict[int, Price]:
    return {each.quote.bookmaker_id: each for each in prices if each.quote.side == side}


def _state(quote: Any) -> str:
    if quote.status != QuoteStatus.ACTIVE:
        return str(quote.status)
    return STALE if quote.is_stale else FRESH
