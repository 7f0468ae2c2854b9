"""The admin's pages of arbitrages, middles and low holds."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from betting import words
from betting.admin_base import formatting
from betting.admin_base.filters import by_choice, by_related, by_time
from betting.admin_base.read_only import Table, TablesMixin
from betting.admin_base.unfold_types import number
from betting.web.admin.bets import OfMarketAdmin
from betting.web.admin.value import OpenFilter, StandingMixin
from valuation.models import Opportunity
from valuation.opportunity_legs import Leg, with_legs
from valuation.vouching import bookmaker_titles, opportunities


@admin.register(Opportunity)
class OpportunityAdmin(TablesMixin, StandingMixin, OfMarketAdmin):
    """Arbitrages, middles and low holds from when they opened until they closed."""

    needs_prices = True
    list_display = (
        "event",
        "market_title",
        "kind",
        "at_books",
        "worst_shown",
        "best_shown",
        "state",
        "since",
        "confirmed",
        "closed_because",
    )
    list_filter = (
        by_choice("kind"),
        OpenFilter,
        by_choice("close_reason"),
        by_related("market__event__sport"),
        by_time("opened_at"),
    )
    search_fields = ("=market__kind", "market__event__home", "market__event__away")
    fields = (
        ("kind", "market", "event"),
        ("state", "confirmed"),
        ("profit_shown", "booksum_shown"),
        ("worst_shown", "best_shown"),
        ("gap", "needs"),
        ("version", "updated_at"),
        ("opened_at", "closed_at", "close_reason"),
    )
    readonly_fields = (
        "event",
        "state",
        "confirmed",
        "profit_shown",
        "booksum_shown",
        "worst_shown",
        "best_shown",
        "needs",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Opportunity]:  # noqa: ARG002 - Django's signature
        """Return all opportunities, each with whether it still stands."""
        rows: QuerySet[Any] = opportunities().annotate(titles=bookmaker_titles())
        return rows.order_by(*self.ordering)

    def tables(self, row: Any) -> list[Table]:
        """Return the legs."""
        return [_legs_table(one.legs) for one in with_legs([row])]

    @admin.display(description="since", ordering="opened_at")
    def since(self, one: Opportunity) -> str:
        """Return when it opened."""
        return formatting.moment(one.opened_at)

    @admin.display(description="closed because", ordering="close_reason")
    def closed_because(self, one: Opportunity) -> str:
        """Return why it closed."""
        return one.get_close_reason_display()

    @admin.display(description="bookmakers")
    def at_books(self, one: Any) -> str:
        """Return the bookmakers of the legs."""
        return ", ".join(one.titles)

    @admin.display(description="profit", ordering="profit")
    def profit_shown(self, one: Opportunity) -> str:
        """Return the profit where one leg wins."""
        return words.signed_percent(one.profit)

    @number
    @admin.display(description="worst", ordering="worst")
    def worst_shown(self, one: Opportunity) -> str:
        """Return the profit at the worst result."""
        return words.signed_percent(one.worst)

    @number
    @admin.display(description="best", ordering="best")
    def best_shown(self, one: Opportunity) -> str:
        """Return the profit at the best result."""
        return words.signed_percent(one.best)

    @admin.display(description="booksum")
    def booksum_shown(self, one: Opportunity) -> str:
        """Return the sum of 1/odds, net of commission."""
        return formatting.percent(one.booksum)

    @admin.display(description="pays from")
    def needs(self, one: Opportunity) -> str:
        """Return the chance of the best result from which a middle pays."""
        return formatting.percent(one.break_even)


def _legs_table(legs: list[Leg]) -> Table:
    return Table(
        "Legs",
        ("selection", "bookmaker", "side", "odds", "net", "stake", "liability", "confirmed"),
        [
            (
                formatting.link(leg.quote, leg.quote.outcome),
                leg.quote.bookmaker.title,
                leg.quote.side,
                formatting.odds(leg.price),
                formatting.odds(leg.net_price),
                formatting.percent(leg.stake.stake),
                formatting.percent(leg.stake.liability),
                leg.quote.confirmed_at,
            )
            for leg in legs
        ],
        numbers=frozenset({"odds", "net", "stake", "liability"}),
        note="Stakes and liabilities are parts of the total.",
    )
