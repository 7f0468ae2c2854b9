"""The tables of a market's page."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from betting.admin_base import formatting
from betting.admin_base.read_only import Table
from betting.db.freshness import with_disputes, with_freshness
from betting.models import Market, Quote, Side
from betting.words import no_edge, signed_percent
from valuation.opportunities import Bet, Opportunities, Stake
from valuation.vouching import edges
from valuation.vouching import fair_prices as fair_prices_of_all

QUOTES_SHOWN = 1_000


def open_edges(market: Market) -> Table:
    """Return the quotes that pay more than their fair price, best first."""
    rows = (
        edges()
        .filter(market=market, closed_at__isnull=True)
        .select_related("quote__outcome", "quote__bookmaker")
        .order_by("is_stale", "-ev")
    )
    found: list[Any] = list(rows)
    stale = sum(edge.is_stale for edge in found)
    return Table(
        "Open edges",
        ("selection", "bookmaker", "side", "odds", "fair odds", "EV", "advised", "books",
         "since", "confirmed", "warnings"),
        [
            (
                formatting.link(edge, edge.quote.outcome),
                edge.quote.bookmaker.key,
                edge.quote.side,
                formatting.odds(edge.price),
                formatting.odds(1 / edge.probability),
                signed_percent(edge.ev),
                formatting.percent(edge.current_advised),
                edge.books,
                edge.opened_at,
                edge.confirmed_at,
                ", ".join(edge.warnings),
            )
            for edge in found
            if not edge.is_stale
        ],
        numbers=frozenset({"odds", "fair odds", "EV", "advised", "books"}),
        note=f"Stale edges that this table leaves out: {stale}." if stale else "",
    )  # fmt: skip


def covers(found: Opportunities) -> Table:
    """Return the cost of backing every outcome at its best price; below 100 % it is a profit."""
    return Table(
        "Best prices by line",
        ("bets", "booksum", "profit", "worst", "", "confirmed"),
        [
            (
                "; ".join(f"{_words(bet)}, {_stake(bet, stake)}" for bet, stake in cover.legs),
                formatting.percent(cover.booksum),
                signed_percent(cover.profit),
                signed_percent(cover.worst),
                "arbitrage" if cover.is_arbitrage else "",
                cover.confirmed_at,
            )
            for cover in found.covers
        ],
        numbers=frozenset({"booksum", "profit", "worst"}),
        note="Lowest booksum first, net of commission. “Worst”: the profit if the result returns"
        " stakes, which a whole or a quarter point makes possible. Each bookmaker quotes the whole"
        " line, so all bets settle by the same rules.",
    )


def middles(found: Opportunities) -> Table:
    """Return the pairs of bets that can both win."""
    return Table(
        "Middles",
        ("above", "below", "gap", "worst", "best", "pays from", "confirmed"),
        [
            (
                _words(middle.above),
                _words(middle.below),
                f"{middle.gap:g}",
                signed_percent(middle.worst),
                signed_percent(middle.best),
                formatting.percent(max(middle.break_even, 0.0)),
                middle.confirmed_at,
            )
            for middle in found.middles
        ],
        numbers=frozenset({"gap", "worst", "best", "pays from"}),
        note="Profits at the worst and at the best result. “Pays from”: the pair breaks even if the"
        " best result has this probability and the worst one has the rest.",
    )


def fair_prices(market: Market) -> Table:
    """Return the consensus, line by line."""
    prices: QuerySet[Any] = (
        fair_prices_of_all()
        .filter(market=market)
        .select_related("outcome")
        .order_by("outcome__line", "outcome__name")
    )
    return Table(
        "Fair prices",
        ("selection", "probability", "fair odds", "books", "method", "why not", "valued",
         "confirmed"),
        [
            (
                formatting.link(price, price.outcome),
                formatting.percent(price.current_probability),
                formatting.odds(price.current_fair_odds),
                price.books,
                price.method,
                price.current_reason,
                price.valued_at,
                price.confirmed_at or formatting.ABSENT,
            )
            for price in prices
        ],
        numbers=frozenset({"probability", "fair odds", "books"}),
    )  # fmt: skip


def quotes(market: Market) -> Table:
    """Return every bookmaker's prices, line by line, the best first."""
    rows: QuerySet[Any] = (
        with_disputes(with_freshness(Quote.objects.filter(market=market)))
        .select_related("outcome", "bookmaker")
        .order_by("outcome__line", "outcome__name", "side", "status", "-price")
    )
    return Table(
        "Quotes",
        ("selection", "bookmaker", "side", "odds", "status", "changed", "confirmed",
         "disputed by", "no edge"),
        [
            (
                formatting.link(quote, quote.outcome),
                quote.bookmaker.key,
                quote.side,
                formatting.odds(quote.price),
                formatting.quote_status(quote),
                quote.changed_at,
                quote.confirmed_at,
                formatting.disputes(quote.disputed_by),
                no_edge(quote.bookmaker),
            )
            for quote in rows[:QUOTES_SHOWN]
        ],
        numbers=frozenset({"odds"}),
        note=f"At most {QUOTES_SHOWN:,}. “Disputed by”: other providers that now list another"
        " price of the bookmaker.",
    )  # fmt: skip


def _words(bet: Bet) -> str:
    """Return a bet with its price, its net price if that differs, and whether it is disputed."""
    net = "" if bet.net_price == bet.price else f" (net {formatting.odds(bet.net_price)})"
    disputed = " (disputed)" if bet.is_disputed else ""
    return (
        f"{bet.side} {bet.selection} @ {formatting.odds(bet.price)}{net} {bet.bookmaker}{disputed}"
    )


def _stake(bet: Bet, stake: Stake) -> str:
    words = f"stake {formatting.percent(stake.stake)}"
    return (
        f"{words}, liability {formatting.percent(stake.liability)}"
        if bet.side == Side.LAY
        else words
    )
