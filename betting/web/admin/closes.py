"""Admin pages of closing prices."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from betting import words
from betting.admin_base import formatting
from betting.admin_base.filters import by_related, by_time
from betting.db.bets import FAIR_PRICE, OF_EDGE, OF_QUOTE
from betting.web.admin.bets import BetAdmin
from valuation.models import ClosingPrice, ClosingQuote, EdgeClosing


@admin.register(ClosingPrice)
class ClosingPriceAdmin(BetAdmin):
    """The last fair price of every outcome before the start, or why it has none."""

    bet = FAIR_PRICE
    list_display = (
        "selection",
        "market_title",
        "event",
        "fair",
        "odds",
        "books",
        "reason",
        "closes_at",
    )
    list_filter = (by_related("market__event__sport"), by_time("closes_at"))
    search_fields = (*bet.searched, "reason")
    fields = (
        ("outcome", "market"),
        ("fair", "odds"),
        ("books", "method"),
        ("closes_at", "priced_at"),
        "reason",
        ("version", "taken_at"),
    )
    readonly_fields = ("fair", "odds")

    @admin.display(description="probability", ordering="probability")
    def fair(self, price: ClosingPrice) -> str:
        """Return the consensus probability."""
        return formatting.percent(price.probability)

    @admin.display(description="fair odds")
    def odds(self, price: ClosingPrice) -> str:
        """Return the decimal odds without margin."""
        return formatting.odds(price.fair_odds)


@admin.register(ClosingQuote)
class ClosingQuoteAdmin(BetAdmin):
    """The last price of every bookmaker before the start, or why it has none."""

    bet = OF_QUOTE
    list_display = (
        "selection",
        "market_title",
        "event",
        "bookmaker_title",
        "odds",
        "side",
        "seen_at",
        "reason",
        "closes_at",
    )
    list_filter = (
        by_related("quote__bookmaker"),
        by_related("market__event__sport"),
        by_time("closes_at"),
    )
    search_fields = (*bet.searched, "reason")
    fields = (
        ("quote", "market"),
        ("odds", "side"),
        ("closes_at", "seen_at"),
        "reason",
        ("version", "taken_at"),
    )
    readonly_fields = ("odds", "side")

    @admin.display(description="price", ordering="price")
    def odds(self, close: ClosingQuote) -> str:
        """Return the decimal odds as quoted."""
        return formatting.odds(close.price)

    @admin.display(description="side", ordering="quote__side")
    def side(self, close: Any) -> str:
        """Return whether the price was to back or to lay."""
        return str(close.quote.get_side_display())


@admin.register(EdgeClosing)
class EdgeClosingAdmin(BetAdmin):
    """The worth of every edge by the close of its outcome."""

    bet = OF_EDGE
    list_display = (
        "selection",
        "market_title",
        "event",
        "bookmaker_title",
        "odds",
        "expected",
        "opened",
        "by_anchor",
        "closes_at",
    )
    list_filter = (
        by_related("edge__quote__bookmaker"),
        by_related("market__event__sport"),
        by_time("closes_at"),
    )
    search_fields = bet.searched
    fields = (
        ("edge", "market"),
        ("closes_at", "fair"),
        ("books", "by_others"),
        ("odds", "expected", "opened"),
        ("best_odds", "best"),
        ("anchor", "by_anchor"),
        ("version", "taken_at"),
    )
    readonly_fields = ("fair", "odds", "expected", "opened", "best_odds", "best", "by_anchor")

    @admin.display(description="probability", ordering="probability")
    def fair(self, close: EdgeClosing) -> str:
        """Return the probability that the bet wins, by the close."""
        return formatting.percent(close.probability)

    @admin.display(description="opening price", ordering="edge__opened_price")
    def odds(self, close: EdgeClosing) -> str:
        """Return the price when the edge opened."""
        return formatting.odds(close.edge.opened_price)

    @admin.display(description="EV at opening", ordering="opened_ev")
    def expected(self, close: EdgeClosing) -> str:
        """Return the expected value when the edge opened."""
        return words.signed_percent(close.opened_ev)

    @admin.display(description="CLV at opening", ordering="opened_clv")
    def opened(self, close: EdgeClosing) -> str:
        """Return the closing line value at the opening price."""
        return words.signed_percent(close.opened_clv)

    @admin.display(description="best price", ordering="best_price")
    def best_odds(self, close: EdgeClosing) -> str:
        """Return the best price while the edge was open."""
        return formatting.odds(close.best_price)

    @admin.display(description="CLV at best", ordering="best_clv")
    def best(self, close: EdgeClosing) -> str:
        """Return the closing line value at the best price."""
        return words.signed_percent(close.best_clv)

    @admin.display(description="by anchor", ordering="anchor_opened_clv")
    def by_anchor(self, close: EdgeClosing) -> str:
        """Return the closing line value by a sharp bookmaker's own close."""
        return words.signed_percent(close.anchor_opened_clv)
