"""The closes of one market once more, quote by quote in plain Python."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from tests.valuation.by_hand import Row, value_by_hand
from valuation.board import Reason
from valuation.policy import ValuationPolicy

LIMIT_SECONDS = 600.0
LOOKS = 20


@dataclass(frozen=True)
class HandQuote:
    """A quote; its changes are (arrival, price from then on, price until then), as they came."""

    id: int
    outcome: int
    book: int
    is_lay: bool
    weight: float
    commission: float
    seen: float | None
    changes: list[tuple[float, float | None, float | None]]
    line: float | None = None
    is_contract: bool = False

    def last(self, at: float) -> tuple[float, float | None, float | None] | None:
        found = [change for change in self.changes if change[0] < at]
        return found[-1] if found else None

    def price(self, at: float) -> float | None:
        last = self.last(at)
        return None if last is None else last[1]


@dataclass(frozen=True)
class HandClose:
    probability: float
    books: int
    at: float
    others: dict[int, float]
    """By quote: the probability that a bet on it wins, by the other bookmakers."""


def last_price(quote: HandQuote, start: float) -> tuple[float, float] | None:
    """The last price of a quote and when it was seen, if that is no longer ago than the limit."""
    last = quote.last(start)
    if last is None:
        return None
    changed, price, before = last
    if price is None:
        price, at = before, changed
    else:
        at = max(changed, changed if quote.seen is None else quote.seen)
    return None if price is None or start - at > LIMIT_SECONDS else (price, at)


def closes_by_hand(
    quotes: list[HandQuote], start: float, policy: ValuationPolicy
) -> dict[int, HandClose]:
    """The close of each outcome that has one."""
    off = {
        at
        for quote in quotes
        for at, price, _ in quote.changes
        if price is None and at < start and start - at <= LIMIT_SECONDS
    }
    found: dict[int, HandClose] = {}
    for at in [start, *sorted(off, reverse=True)][:LOOKS]:
        standing = [(quote, price) for quote in quotes if (price := quote.price(at)) is not None]
        rows = [_row(quote, price, start) for quote, price in standing]
        fair, edges = value_by_hand(rows, replace(policy, min_edge_ev=-1.0))
        for (_, outcome), (reason, probability, books) in fair.items():
            if reason == Reason.OK and outcome not in found:
                others = {
                    standing[edge.row][0].id: 1 - edge.probability
                    if standing[edge.row][0].is_lay
                    else edge.probability
                    for edge in edges
                    if standing[edge.row][0].outcome == outcome
                }
                found[outcome] = HandClose(probability, books, at, others)
    return found


def _row(quote: HandQuote, price: float, start: float) -> Row:
    seen = -math.inf if quote.seen is None else quote.seen
    return Row(
        market=1,
        outcome=quote.outcome,
        book=quote.book,
        price=price,
        line=quote.line,
        is_lay=quote.is_lay,
        weight=quote.weight,
        commission=quote.commission,
        is_stale=start - seen > LIMIT_SECONDS,
    )
