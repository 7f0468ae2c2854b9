"""The best prices of a market: those that pay most, net of fees, of those that can be bet on."""

from __future__ import annotations

from typing import Any

from betting.db.freshness import confirmed_at, trusted_quotes
from betting.models import Market
from valuation.fees import payout_rank


def best_prices(market: Market) -> dict[tuple[int, str], Any]:
    """Return, by outcome id and side, the market's best quote at a venue that can be bet on now.

    Of equal ones that confirmed last. Each has its bookmaker and `confirmed_at`.
    """
    quotes = (
        trusted_quotes()
        .filter(market=market, bookmaker__is_venue=True)
        .annotate(confirmed_at=confirmed_at())
        .select_related("bookmaker")
        .order_by("confirmed_at", "id")
    )
    best: dict[tuple[int, str], tuple[tuple[bool, float], Any]] = {}
    for quote in quotes:
        rank = payout_rank(quote)
        found = best.get((quote.outcome_id, quote.side))
        if found is None or rank >= found[0]:
            best[quote.outcome_id, quote.side] = rank, quote
    return {key: quote for key, (_, quote) in best.items()}
