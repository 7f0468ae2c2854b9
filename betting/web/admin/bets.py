"""The bases of lists of rows that are about a market or a bet, which they name as bettors do."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import F
from django.http import HttpRequest

from betting import words
from betting.admin_base.read_only import FactAdmin
from betting.db.bets import BetOf


class OfMarketAdmin(FactAdmin):
    """A table of rows that are about a market, with the columns that name it."""

    list_select_related: ClassVar[tuple[str, ...]] = ("market__event__sport",)

    @admin.display(description="event", ordering=F("market__event__commence_time"))
    def event(self, row: Any) -> str:
        """Return the event that is bet on."""
        return words.event_title(row.market.event)

    @admin.display(description="market", ordering="market__kind")
    def market_title(self, row: Any) -> str:
        """Return what the kind of market is called in its sport."""
        return words.market_title(row.market, row.market.event.sport.key)


class BetAdmin(OfMarketAdmin):
    """A table of rows that are about a bet, with the columns that name it."""

    bet: ClassVar[BetOf]
    needs_prices = True

    def get_list_select_related(self, request: HttpRequest) -> tuple[str, ...]:  # noqa: ARG002 - Django's signature
        """Return what the columns of the bet need."""
        return self.bet.related

    @admin.display(description="selection")
    def selection(self, row: Any) -> str:
        """Return the outcome with its point."""
        return words.outcome_title(self.bet.outcome_of(row))

    @admin.display(description="bookmaker")
    def bookmaker_title(self, row: Any) -> str:
        """Return the title of the bookmaker whose price it is."""
        return self.bet.bookmaker_of(row).title
