"""Bookmakers, markets and their outcomes."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Model
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.contrib.filters.admin import RangeDateTimeFilter

from betting.admin_base import formatting
from betting.admin_base.read_only import FactAdmin, Table, TablesMixin
from betting.admin_base.unfold_types import ThemedAdmin
from betting.models import Bookmaker, Market, Outcome
from betting.web.admin import market_tables
from valuation import opportunities
from valuation.revaluation import change_bookmaker


@admin.register(Bookmaker)
class BookmakerAdmin(ThemedAdmin):
    """Bookmakers, which feeds create; an operator sets their weight in the consensus."""

    list_display = ("key", "title", "kind", "weight", "net_of")
    list_filter = ("kind",)
    search_fields = ("key", "title")
    fields = ("key", "title", "kind", "weight", "commission")
    readonly_fields = ("key",)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Return False: a feed that names a bookmaker creates it."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Return False: its quotes refer to it."""
        return False

    def save_model(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        obj: Bookmaker,
        form: ModelForm[Bookmaker],
        change: bool,  # noqa: ARG002, FBT001 - Django's signature
    ) -> None:
        """Save the bookmaker, and have its markets valued again if the change affects them."""
        change_bookmaker(obj, {name: form.cleaned_data[name] for name in form.changed_data})

    @admin.display(description="commission", ordering="commission")
    def net_of(self, bookmaker: Bookmaker) -> str:
        """Return the part of net winnings that it keeps."""
        if bookmaker.commission is None:
            return "not known: no edges"
        return formatting.percent(bookmaker.commission)


@admin.register(Market)
class MarketAdmin(TablesMixin, FactAdmin):
    """Markets, each with its quotes, fair prices, edges and opportunities."""

    list_display = (
        "id",
        "event",
        "market",
        "participant",
        "changed_at",
        "valued_at",
        "is_valued",
    )
    list_display_links = ("id", "market")
    list_filter = (
        "kind",
        "period",
        "event__sport",
        "event__status",
        ("changed_at", RangeDateTimeFilter),
        ("dirty_at", admin.EmptyFieldListFilter),
    )
    search_fields = ("=id", "=kind", "participant", "event__home", "event__away")
    list_select_related = ("event",)

    @admin.display(description="market", ordering="kind")
    def market(self, market: Market) -> str:
        """Return the market's key, as feeds write it."""
        return market.key

    @admin.display(description="up to date", boolean=True)
    def is_valued(self, market: Market) -> bool:
        """Return True if its newest quotes have been valued."""
        return market.version == market.valued_version

    def tables(self, row: Market) -> list[Table]:
        """Return the market's edges, opportunities, fair prices and quotes."""
        found = opportunities.load(row)
        return [
            market_tables.open_edges(row),
            market_tables.covers(found),
            market_tables.middles(found),
            market_tables.fair_prices(row),
            market_tables.quotes(row),
        ]


@admin.register(Outcome)
class OutcomeAdmin(FactAdmin):
    """Ways a market can end."""

    list_display = ("id", "event", "market", "name", "point", "line")
    list_display_links = ("id", "name")
    list_filter = ("market__kind",)
    search_fields = ("=name", "market__participant", "market__event__home", "market__event__away")
    list_select_related = ("market__event",)

    @admin.display(description="event")
    def event(self, outcome: Outcome) -> str:
        """Return the event that is bet on."""
        return str(outcome.market.event)
