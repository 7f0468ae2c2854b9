"""Quotes and their line history."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest

from betting import words
from betting.admin_base import formatting
from betting.admin_base.filters import by_choice, by_related, by_time
from betting.admin_base.read_only import Table, TablesMixin
from betting.admin_base.unfold_types import badge, number
from betting.db.bets import OF_QUOTE, QUOTE
from betting.db.freshness import disputes, with_disputes, with_freshness
from betting.db.querysets import series_history
from betting.models import LineChange, Quote, QuoteStatus, RivalQuote
from betting.web.admin.bets import BetAdmin

HISTORY_SHOWN = 200


@admin.register(Quote)
class QuoteAdmin(TablesMixin, BetAdmin):
    """Current prices, each with the history of its line."""

    bet = QUOTE
    list_display = (
        "selection",
        "market_title",
        "event",
        "bookmaker_title",
        "side",
        "decimal_odds",
        "state",
        "changed_at",
        "confirmed",
    )
    list_filter = (
        by_choice("status"),
        by_choice("side"),
        by_related("bookmaker"),
        by_related("market__event__sport"),
        by_related("feed__provider"),
        by_time("changed_at"),
    )
    search_fields = ("=id", *bet.searched)
    exclude = ("status",)
    readonly_fields = ("state", "confirmed", "disputed_by")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Quote]:
        """Return the quotes with their freshness."""
        return with_freshness(super().get_queryset(request))

    @number
    @admin.display(description="odds", ordering="price")
    def decimal_odds(self, quote: Quote) -> str:
        """Return the price."""
        return formatting.odds(quote.price)

    @badge(
        "status",
        "status",
        {
            QuoteStatus.ACTIVE.label: "success",
            QuoteStatus.SUSPENDED.label: "warning",
            QuoteStatus.QUARANTINED.label: "danger",
            "stale": "danger",
        },
    )
    def state(self, quote: Quote) -> str:
        """Return the quote's status, or that it is stale."""
        return formatting.quote_status(quote)

    @admin.display(description="confirmed", ordering="confirmed_at")
    def confirmed(self, quote: Any) -> str:
        """Return the last time that its provider looked at it."""
        return formatting.moment(quote.confirmed_at)

    @admin.display(description="disputed by")
    def disputed_by(self, quote: Quote) -> str:
        """Return the different prices that other providers say now."""
        row: Any = with_disputes(Quote.objects.filter(pk=quote.pk)).get()
        return formatting.disputes(row.disputed_by) or formatting.ABSENT

    def tables(self, row: Quote) -> list[Table]:
        """Return the history of its line, over all the points it moved through."""
        history = series_history(row)[:HISTORY_SHOWN]
        return [
            Table(
                "Line history",
                ("received", "change", "point", "from", "to", "odds from", "odds to", "moved",
                 "class", "provider's time"),
                [_history_row(change) for change in history],
                numbers=frozenset({"point", "from", "to", "odds from", "odds to", "moved"}),
                note=(
                    f"The newest {HISTORY_SHOWN} changes of this bookmaker's "
                    f"{row.outcome.name!r} in this market, at any point."
                ),
            )
        ]  # fmt: skip


def _history_row(change: LineChange) -> tuple[object, ...]:
    return (
        formatting.link(change, change.received_at),
        change.get_kind_display(),
        formatting.point(change.quote.outcome.point),
        formatting.point(change.old_point),
        formatting.point(change.new_point),
        formatting.odds(change.old_price),
        formatting.odds(change.new_price),
        formatting.percent(change.movement),
        change.get_classification_display(),
        change.source_at or formatting.ABSENT,
    )


@admin.register(RivalQuote)
class RivalQuoteAdmin(BetAdmin):
    """Different prices that providers last said of quotes that other providers hold."""

    bet = OF_QUOTE
    list_display = (
        "event",
        "market_title",
        "selection",
        "bookmaker_title",
        "provider",
        "says",
        "looked_at",
        "held",
        "counts",
    )
    list_filter = (
        by_related("feed__provider"),
        by_related("quote__bookmaker"),
        by_related("market__event__sport"),
    )
    search_fields = (
        "=id",
        "=quote__bookmaker__key",
        "quote__outcome__name",
        "market__event__home",
        "market__event__away",
    )

    def get_list_select_related(self, request: HttpRequest) -> tuple[str, ...]:
        """Return what the columns need: the bet, and both providers."""
        bet = super().get_list_select_related(request)
        return (*bet, "quote__feed__provider", "feed__provider")

    def get_queryset(self, request: HttpRequest) -> QuerySet[RivalQuote]:
        """Return the rivals, each with whether it counts now."""
        is_dispute = Exists(disputes().filter(pk=OuterRef("pk")))
        rivals: QuerySet[RivalQuote] = super().get_queryset(request).annotate(counts=is_dispute)
        return rivals

    @admin.display(description="selection")
    def selection(self, rival: RivalQuote) -> str:
        """Return the outcome with its point, linked to the quote."""
        return formatting.link(rival.quote, words.outcome_title(rival.quote.outcome))

    @admin.display(description="provider")
    def provider(self, rival: RivalQuote) -> str:
        """Return the provider that says another price."""
        return rival.feed.provider.key

    @number
    @admin.display(description="says", ordering="price")
    def says(self, rival: RivalQuote) -> str:
        """Return the price that it says."""
        return formatting.odds(rival.price)

    @admin.display(description="held")
    def held(self, rival: RivalQuote) -> str:
        """Return the price that is shown, and the provider that it is from."""
        return f"{formatting.odds(rival.quote.price)} by {rival.quote.feed.provider.key}"

    @admin.display(description="counts", boolean=True)
    def counts(self, rival: Any) -> bool:
        """Return True if it disputes the quote now: its feed is trusted and its price differs."""
        return bool(rival.counts)


@admin.register(LineChange)
class LineChangeAdmin(BetAdmin):
    """Every change of every quote, newest first."""

    bet = OF_QUOTE
    list_display = (
        "received_at",
        "event",
        "market_title",
        "selection",
        "bookmaker_title",
        "kind",
        "odds_before",
        "odds_after",
        "moved",
        "classification",
    )
    list_filter = (
        by_choice("kind"),
        by_choice("classification"),
        by_related("quote__bookmaker"),
        by_time("recorded_at"),
    )
    search_fields = ("=quote__id", "=quote__bookmaker__key", "=quote__outcome__name")
    search_help_text = "a quote's id, a bookmaker's key, or an outcome's whole name"

    @number
    @admin.display(description="odds before")
    def odds_before(self, change: LineChange) -> str:
        """Return the old price."""
        return formatting.odds(change.old_price)

    @number
    @admin.display(description="odds after")
    def odds_after(self, change: LineChange) -> str:
        """Return the new price."""
        return formatting.odds(change.new_price)

    @number
    @admin.display(description="moved")
    def moved(self, change: LineChange) -> str:
        """Return the relative price change."""
        return formatting.percent(change.movement)
