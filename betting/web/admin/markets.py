"""Bookmakers, markets and their outcomes."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.forms import ModelForm
from django.http import HttpRequest

from betting import words
from betting.admin_base import formatting
from betting.admin_base.filters import by_choice, by_related, by_time, by_value, if_empty
from betting.admin_base.read_only import FactAdmin, ListMixin, Table, TablesMixin
from betting.admin_base.unfold_types import ThemedAdmin, ThemedInline, number
from betting.models import Bookmaker, BookmakerWeight, Market, Outcome
from betting.web.admin import market_tables
from betting.web.admin.bets import OfMarketAdmin
from valuation import opportunities
from valuation.revaluation import change_bookmaker, change_weights


class WeightForm(ModelForm):  # type: ignore[type-arg]  # no generic at run time
    """A weight; one that an operator enters rests on no evidence."""

    def clean(self) -> dict[str, Any] | None:
        """Forget what the weight before rested on."""
        if self.has_changed():
            self.instance.evidence = ""
        return super().clean()


class WeightInline(ThemedInline):
    """The weights of a bookmaker on some families of sports and kinds of market."""

    model = BookmakerWeight
    form = WeightForm
    readonly_fields = ("evidence",)
    extra = 0
    verbose_name = "weight"
    verbose_name_plural = "weights by sport family and kind of market"


@admin.register(Bookmaker)
class BookmakerAdmin(ListMixin, ThemedAdmin):
    """Bookmakers, which feeds create; an operator sets their weight in the consensus."""

    ordering = ("title",)
    list_display = ("title", "key", "kind", "is_venue", "weight", "net_of", "price_group")
    list_filter = (by_choice("kind"), by_value("is_venue"))
    search_fields = ("key", "title")
    fields = (
        "key", "title", "kind", "is_venue", "weight", "price_group", "commission", "fee_model",
    )  # fmt: skip
    readonly_fields = ("key",)
    inlines = (WeightInline,)

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

    def save_formset(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        form: ModelForm[Bookmaker],
        formset: Any,
        change: bool,  # noqa: ARG002, FBT001 - Django's signature
    ) -> None:
        """Save the bookmaker's weights, and have its markets valued again if they changed."""
        if formset.has_changed():
            change_weights(form.instance, formset.save)
        else:
            formset.save()

    @number
    @admin.display(description="commission", ordering="commission")
    def net_of(self, bookmaker: Bookmaker) -> str:
        """Return the part of net winnings that it keeps."""
        if bookmaker.commission is None:
            return "not known: no edges"
        rate = formatting.percent(bookmaker.commission)
        return f"{rate} {bookmaker.get_fee_model_display()}" if bookmaker.commission else rate


@admin.register(Market)
class MarketAdmin(TablesMixin, FactAdmin):
    """Markets, each with its quotes, fair prices, edges and opportunities."""

    needs_prices = True
    list_display = (
        "market_title",
        "participant",
        "event_title",
        "changed_at",
        "valued_at",
        "is_valued",
    )
    list_filter = (
        by_value("kind"),
        by_value("period"),
        by_related("event__sport"),
        by_choice("event__status"),
        if_empty("dirty_at"),
        by_time("changed_at"),
    )
    search_fields = ("=id", "=kind", "participant", "event__home", "event__away")
    list_select_related = ("event__sport",)

    @admin.display(description="market", ordering="kind")
    def market_title(self, market: Market) -> str:
        """Return what the kind of market is called in its sport."""
        return words.market_title(market, market.event.sport.key)

    @admin.display(description="event", ordering="event__commence_time")
    def event_title(self, market: Market) -> str:
        """Return what bettors call its event."""
        return words.event_title(market.event)

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
class OutcomeAdmin(OfMarketAdmin):
    """Ways a market can end."""

    list_display = ("name", "point", "line", "market_title", "event")
    list_filter = (by_value("market__kind"),)
    search_fields = ("=name", "market__participant", "market__event__home", "market__event__away")
