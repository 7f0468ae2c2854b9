"""The legs of stored opportunities, with their quotes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from betting.db.freshness import confirmed_at, is_disputed
from betting.models import Quote
from valuation.fees import net_price_of
from valuation.opportunities import Stake


@dataclass(frozen=True, slots=True)
class Leg:
    """One bet of a stored opportunity.

    Attributes:
        quote: with its outcome and bookmaker, `confirmed_at` and `is_disputed`.
        price: decimal odds as quoted, of the valuation.
        stake: what to stake on it and what it may lose, as parts of the total.
    """

    quote: Any
    price: float
    stake: Stake

    @property
    def net_price(self) -> float | None:
        """The price net of the current commission, or None if that is not known any more."""
        return net_price_of(self.quote.bookmaker, self.price, self.quote.side)


def with_legs(rows: Iterable[Any]) -> list[Any]:
    """Return opportunities with their `legs`: one statement for all.

    One that has lost a quote is left out: the provider was removed after the rows were read.
    """
    rows = list(rows)
    quotes = (
        Quote.objects.annotate(confirmed_at=confirmed_at(), is_disputed=is_disputed())
        .select_related("outcome", "bookmaker")
        .in_bulk({quote for row in rows for quote in row.quotes})
    )
    for row in rows:
        row.legs = [
            Leg(quotes[quote], price, Stake.risking(part, quotes[quote].side, price))
            for quote, price, part in zip(row.quotes, row.prices, row.parts, strict=True)
            if quote in quotes
        ]
    return [row for row in rows if len(row.legs) == len(row.quotes)]
