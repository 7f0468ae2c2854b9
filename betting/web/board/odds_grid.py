"""The odds of an event: per line a grid of outcomes by bookmakers, with fair and best prices."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from betting.admin_base import formatting
from betting.db.freshness import with_freshness
from betting.models import Event, Market, Outcome, Quote, QuoteStatus, Side
from betting.web.board.filters import Choices
from betting.web.board.words import (
    MINUS,
    fair_odds,
    market_title,
    odds,
    outcome_title,
    signed_percent,
)
from valuation.vouching import JudgedFairPrice, fair_prices_of, open_among, unjudged_edges


@dataclass(frozen=True, slots=True)
class Cell:
    """One bookmaker's price of an outcome.

    Attributes:
        price: as the reader chose; of an exchange "back / lay"; empty where there is none.
        ev: the expected value where it is an edge, else empty.
        edge_id: of that edge.
        state: "stale", "suspended", "quarantined", "best" or "".
        note: why it must not be taken, or since when it stands.
        changed_at: when it last changed.
    """

    price: str = ""
    ev: str = ""
    edge_id: int | None = None
    state: str = ""
    note: str = ""
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class GridRow:
    """An outcome: its fair price, its best price, and each bookmaker's in the grid's order."""

    outcome_id: int
    title: str
    fair: str
    chance: str
    why_not: str
    best: str
    best_book: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """The outcomes of one line that exclude each other.

    Attributes:
        line: the point as the home side or the over sees it; None where the market has none.
        books: the bookmakers' titles, those with the most weight first.
    """

    line: float | None
    books: tuple[str, ...]
    rows: tuple[GridRow, ...]

    @property
    def line_title(self) -> str:
        """The line in words."""
        return "" if self.line is None else f"{self.line:g}".replace("-", MINUS)


@dataclass(frozen=True, slots=True)
class MarketTab:
    """A market that can be chosen on the event's page."""

    id: int
    title: str


def market_tabs(event: Event) -> list[MarketTab]:
    """Return the event's markets, the main ones first."""
    main = {"h2h": 0, "spreads": 1, "totals": 2}
    markets = sorted(
        event.markets.all(),
        key=lambda market: (
            market.period != "full",
            market.period,
            main.get(market.kind, 3),
            market.kind,
            market.participant,
        ),
    )
    return [
        MarketTab(
            market.pk,
            " · ".join(
                part for part in (market_title(market, event.sport.key), market.participant) if part
            ),
        )
        for market in markets
    ]


def grids(market: Market, choices: Choices) -> list[Grid]:
    """Return a market's lines, the one with the most prices first: three statements.

    Args:
        market: with its event and sport.
        choices: how odds are written.
    """
    quotes: list[Any] = list(
        with_freshness(Quote.objects.filter(market=market)).select_related("outcome", "bookmaker")
    )
    fair = {price.outcome_id: price for price in fair_prices_of(market.pk)}
    stored = {edge.pk: edge for edge in unjudged_edges().filter(market=market, closed_at=None)}
    open_edges = {stored[pk].quote_id: stored[pk] for pk in open_among(list(stored))}
    by_line: dict[float | None, list[Any]] = defaultdict(list)
    for quote in quotes:
        by_line[quote.outcome.line].append(quote)
    ordered = sorted(by_line.items(), key=lambda item: (-_takable(item[1]), item[0] or 0.0))
    return [_grid(line, found, fair, open_edges, choices) for line, found in ordered]


def _takable(quotes: list[Any]) -> int:
    return sum(_state(quote) == "" for quote in quotes)


def _grid(
    line: float | None,
    quotes: list[Any],
    fair: dict[int, JudgedFairPrice],
    open_edges: dict[int, Any],
    choices: Choices,
) -> Grid:
    books = sorted(
        {quote.bookmaker for quote in quotes}, key=lambda book: (-book.weight, book.title)
    )
    outcomes: dict[int, Outcome] = {quote.outcome_id: quote.outcome for quote in quotes}
    by_cell = {(quote.outcome_id, quote.bookmaker_id, quote.side): quote for quote in quotes}
    rows = []
    for outcome in sorted(outcomes.values(), key=lambda each: each.pk):
        backs = {
            book.pk: by_cell[outcome.pk, book.pk, Side.BACK]
            for book in books
            if (outcome.pk, book.pk, Side.BACK) in by_cell
        }
        takable = [quote for quote in backs.values() if _state(quote) == ""]
        best = max(takable, key=lambda quote: quote.price, default=None)
        cells = tuple(
            _cell(
                backs.get(book.pk),
                by_cell.get((outcome.pk, book.pk, Side.LAY)),
                best,
                open_edges,
                choices,
            )
            for book in books
        )
        rows.append(_row(outcome, fair.get(outcome.pk), best, cells, choices))
    return Grid(line, tuple(book.title for book in books), tuple(rows))


def _row(
    outcome: Outcome,
    fair: JudgedFairPrice | None,
    best: Any,
    cells: tuple[Cell, ...],
    choices: Choices,
) -> GridRow:
    style = choices.odds_format
    probability = fair.current_probability if fair else None
    return GridRow(
        outcome_id=outcome.pk,
        title=outcome_title(outcome),
        fair=fair_odds(fair.current_fair_odds if fair else None, style),
        chance=formatting.percent(probability, 1) if probability else "",
        why_not=fair.current_reason if fair else "not valued yet",
        best=odds(best and best.price, style),
        best_book=best.bookmaker.title if best else "",
        cells=cells,
    )


def _cell(back: Any, lay: Any, best: Any, open_edges: dict[int, Any], choices: Choices) -> Cell:
    if back is None and lay is None:
        return Cell()
    style = choices.odds_format
    quote = back or lay
    state = _state(quote)
    edge = open_edges.get(quote.pk) or (lay and open_edges.get(lay.pk))
    prices = [odds(each.price, style) for each in (back, lay) if each is not None]
    return Cell(
        price=" / ".join(prices) if back else f"lay {prices[0]}",
        ev=signed_percent(edge.ev, 1) if edge else "",
        edge_id=edge.pk if edge else None,
        state=state or ("best" if best is not None and quote.pk == best.pk else ""),
        note=_NOTES.get(state, ""),
        changed_at=quote.changed_at,
    )


_NOTES = {
    "stale": "nobody has confirmed this price lately",
    "suspended": "the bookmaker has suspended or withdrawn it",
    "quarantined": "its provider or bookmaker cannot be trusted now",
}


def _state(quote: Any) -> str:
    if quote.status != QuoteStatus.ACTIVE:
        return str(quote.status)
    return "stale" if quote.is_stale else ""
