"""The tables of a market's page."""

from __future__ import annotations

from betting.admin import shown
from betting.admin.facts import Table
from betting.models import Market, Quote
from valuation.models import Edge, FairPrice
from valuation.opportunities import Bet, Opportunities

QUOTES_SHOWN = 1_000


def open_edges(market: Market) -> Table:
    """Quotes that pay more than they should, best first."""
    edges = (
        Edge.objects.filter(market=market, closed_at__isnull=True)
        .select_related("quote__outcome", "quote__bookmaker")
        .order_by("-ev")
    )
    return Table(
        "Open edges",
        ("selection", "bookmaker", "side", "odds", "fair odds", "EV", "advised", "books",
         "since", "warnings"),
        [
            (
                shown.link(edge, edge.quote.outcome),
                edge.quote.bookmaker.key,
                edge.quote.side,
                shown.odds(edge.price),
                shown.odds(1 / edge.probability),
                shown.signed_percent(edge.ev),
                shown.percent(edge.advised),
                edge.books,
                edge.opened_at,
                ", ".join(edge.warnings),
            )
            for edge in edges
        ],
        numbers=frozenset({"odds", "fair odds", "EV", "advised", "books"}),
    )  # fmt: skip


def covers(found: Opportunities) -> Table:
    """What it costs to back every outcome at its best price; below 100 % it pays."""
    return Table(
        "Best prices by line",
        ("bets", "booksum", "profit", ""),
        [
            (
                "; ".join(
                    f"{_words(bet)}, stake {shown.percent(stake)}"
                    for bet, stake in zip(cover.bets, cover.stakes, strict=True)
                ),
                shown.percent(cover.booksum),
                shown.signed_percent(cover.profit),
                "arbitrage" if cover.is_arbitrage else "",
            )
            for cover in found.covers
        ],
        numbers=frozenset({"booksum", "profit"}),
        note="Odds net of commission; lowest booksum first.",
    )


def middles(found: Opportunities) -> Table:
    """Pairs of bets that can both win."""
    return Table(
        "Middles",
        ("above", "below", "gap", "one wins", "both win", "pays from"),
        [
            (
                _words(middle.above),
                _words(middle.below),
                f"{middle.gap:g}",
                shown.signed_percent(middle.worst),
                shown.signed_percent(middle.best),
                shown.percent(max(middle.break_even, 0.0)),
            )
            for middle in found.middles
        ],
        numbers=frozenset({"gap", "one wins", "both win", "pays from"}),
        note="“Pays from”: the probability of both winning at which the pair breaks even.",
    )


def fair_prices(market: Market) -> Table:
    """The consensus, line by line."""
    prices = (
        FairPrice.objects.filter(market=market)
        .select_related("outcome")
        .order_by("outcome__line", "outcome__name")
    )
    return Table(
        "Fair prices",
        ("selection", "probability", "fair odds", "books", "method", "why not", "valued"),
        [
            (
                shown.link(price, price.outcome),
                shown.percent(price.probability),
                shown.odds(price.fair_odds),
                price.books,
                price.method,
                price.reason,
                price.valued_at,
            )
            for price in prices
        ],
        numbers=frozenset({"probability", "fair odds", "books"}),
    )


def quotes(market: Market) -> Table:
    """Every bookmaker's prices, line by line, the best first."""
    rows = (
        Quote.objects.filter(market=market)
        .select_related("outcome", "bookmaker", "feed")
        .order_by("outcome__line", "outcome__name", "side", "status", "-price")
    )
    return Table(
        "Quotes",
        ("selection", "bookmaker", "side", "odds", "status", "changed", "heard"),
        [
            (
                shown.link(quote, quote.outcome),
                quote.bookmaker.key,
                quote.side,
                shown.odds(quote.price),
                quote.get_status_display(),
                quote.changed_at,
                quote.feed.observed_at,
            )
            for quote in rows[:QUOTES_SHOWN]
        ],
        numbers=frozenset({"odds"}),
        note=f"At most {QUOTES_SHOWN:,}.",
    )


def _words(bet: Bet) -> str:
    return f"{bet.side} {bet.selection} @ {shown.odds(bet.odds)} {bet.bookmaker}"
