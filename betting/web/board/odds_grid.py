"""The odds of an event: per line a grid of outcomes by bookmakers, with fair and best prices."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from betting.admin_base import formatting
from betting.models import Bookmaker, Event, Market, Side
from betting.web.board.edge_rows import cautions_of, seen_too_seldom
from betting.web.board.filters import Choices
from betting.words import (
    MINUS,
    fair_odds,
    market_title,
    odds,
    outcome_order,
    outcome_title,
    signed_percent,
)
from streaming.core.durations import spoken
from streaming.core.odds_formats import OddsFormat
from valuation.comparison import ComparedOutcome, Price, compared


@dataclass(frozen=True, slots=True)
class Cell:
    """One bookmaker's price of an outcome.

    Attributes:
        price: as the reader chose; of an exchange "back / lay"; empty where there is none.
        ev: the expected value where it is an edge, else empty; of a lay with that word.
        edge_id: of that edge.
        is_to_check: whether that edge is doubtful, or its price was seen by too few polls.
        state: "stale", "suspended", "quarantined", "best" or "".
        note: why it must not be taken, or what its value is measured against.
        age: the time since it was last confirmed, in words.
        changed_at: when it last changed.
    """

    price: str = ""
    ev: str = ""
    edge_id: int | None = None
    is_to_check: bool = False
    state: str = ""
    note: str = ""
    age: str = ""
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class GridRow:
    """An outcome: its fair price, its best price, and each bookmaker's in the grid's order.

    Attributes:
        best_ev: of its open edges; None where it has none.
        marked: the bookmakers whose history the chart draws in a colour, as a JSON list: the
            sharpest, the one with the best price, and those with an edge.
    """

    outcome_id: int
    title: str
    fair: str
    chance: str
    why_not: str
    best: str
    best_book: str
    best_ev: float | None
    marked: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """The outcomes of one line that exclude each other.

    Attributes:
        line: the point as the home side or the over sees it; None where the market has none.
        books: the bookmakers, those with the most weight first.
    """

    line: float | None
    books: tuple[Bookmaker, ...]
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
    """Return a market's lines, the one with the most fresh prices first, as the reader chose.

    Args:
        market: with its event and sport.
        choices: how odds are written.
    """
    names = outcome_order(market.event)

    def place(row: ComparedOutcome) -> int:
        return names.index(row.outcome.name) if row.outcome.name in names else len(names)

    return [
        Grid(
            line.line,
            line.books,
            tuple(_row(row, line.books, choices) for row in sorted(line.outcomes, key=place)),
        )
        for line in compared(market.pk)
    ]


def charted(lines: Sequence[Grid]) -> GridRow | None:
    """Return the outcome that the chart opens with: that of the best edge, else the first."""
    rows = [row for line in lines for row in line.rows]
    return max(rows, key=lambda row: row.best_ev or 0.0, default=None)


def _row(row: ComparedOutcome, books: Sequence[Bookmaker], choices: Choices) -> GridRow:
    style, fair, best = choices.odds_format, row.fair, row.best_back
    probability = fair.current_probability if fair else None
    return GridRow(
        outcome_id=row.outcome.pk,
        title=outcome_title(row.outcome),
        fair=fair_odds(fair.current_fair_odds if fair else None, style),
        chance=formatting.percent(probability, 1) if probability else "",
        why_not=fair.current_reason if fair else "not valued yet",
        best=odds(best.quote.price if best else None, style),
        best_book=best.quote.bookmaker.title if best else "",
        best_ev=max((each.edge.ev for each in row.prices if each.edge), default=None),
        marked=json.dumps(sorted(_marked(row, books))),
        cells=tuple(
            _cell(row.backs.get(book.pk), row.lays.get(book.pk), best, choices) for book in books
        ),
    )


def _marked(row: ComparedOutcome, books: Sequence[Bookmaker]) -> set[str]:
    best = [row.best_back] if row.best_back else []
    offers = [*best, *(each for each in row.prices if each.edge)]
    return {books[0].title, *(each.quote.bookmaker.title for each in offers)}


def _cell(back: Price | None, lay: Price | None, best: Price | None, choices: Choices) -> Cell:
    shown = back or lay
    if shown is None:
        return Cell()
    style = choices.odds_format
    measured = next((each for each in (back, lay) if each is not None and each.edge), None)
    checks = _to_check(measured, choices) if measured else []
    prices = [odds(each.quote.price, style) for each in (back, lay) if each is not None]
    is_best = best is not None and shown is back and shown.is_offered and shown.rank == best.rank
    return Cell(
        price=" / ".join(prices) if back else f"lay {prices[0]}",
        ev=_value(measured) if measured else "",
        edge_id=measured.edge.pk if measured else None,
        is_to_check=bool(checks),
        state=shown.state if not shown.is_fresh else "best" if is_best else "",
        note=shown.reason or (". ".join([*checks, _measure(measured, style)]) if measured else ""),
        age=spoken(shown.quote.age.total_seconds()),
        changed_at=shown.quote.changed_at,
    )


def _to_check(measured: Price, choices: Choices) -> list[str]:
    """Return why an edge must be checked before a bet: nothing where the board would list it."""
    assert measured.judged is not None
    checks = []
    if measured.judged.is_doubtful:
        checks += [f"{each.words}: {each.why}" for each in cautions_of(measured.edge.warnings)]
    if unseen := seen_too_seldom(measured.judged.polls, choices):
        checks.append(f"{unseen.words}: {unseen.why}")
    return checks


def _value(measured: Price) -> str:
    """Return the expected value of an edge, of a lay with that word."""
    ev = signed_percent(measured.edge.ev, 1)
    return f"lay {ev}" if measured.quote.side == Side.LAY else ev


def _measure(measured: Price, style: OddsFormat) -> str:
    """Return what the value of an edge is measured against."""
    fair = fair_odds(1 / measured.edge.probability, style)
    return f"fair by the {measured.edge.books} other books: {fair}"
