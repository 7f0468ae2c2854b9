"""Sports, events and the providers' ids of events."""

from __future__ import annotations

from django.contrib import admin
from unfold.contrib.filters.admin import RangeDateTimeFilter

from betting.admin_base.formatting import link
from betting.admin_base.read_only import FactAdmin, Table, TablesMixin
from betting.models import Event, EventAlias, Sport

MARKETS_SHOWN = 500


@admin.register(Sport)
class SportAdmin(FactAdmin):
    """Sports and competitions, as feeds key them."""

    list_display = ("key", "title")
    search_fields = ("key", "title")
    ordering = ("key",)


@admin.register(Event)
class EventAdmin(TablesMixin, FactAdmin):
    """Events, each with its markets and ids."""

    list_display = ("id", "home", "away", "sport", "commence_time", "status")
    list_display_links = ("id", "home", "away")
    list_filter = ("status", "sport", ("commence_time", RangeDateTimeFilter))
    search_fields = ("home", "away", "=aliases__external_id")
    list_select_related = ("sport",)

    def tables(self, row: Event) -> list[Table]:
        """Return its markets, and the providers' ids of it."""
        markets = row.markets.order_by("kind", "period", "participant")[:MARKETS_SHOWN]
        aliases = row.aliases.select_related("provider").order_by("provider__key")
        return [
            Table(
                "Markets",
                ("market", "participant", "changed", "valued", "version", "valued version"),
                [
                    (
                        link(market, market.key),
                        market.participant,
                        market.changed_at,
                        market.valued_at,
                        market.version,
                        market.valued_version,
                    )
                    for market in markets
                ],
                numbers=frozenset({"version", "valued version"}),
                note=f"At most {MARKETS_SHOWN}.",
            ),
            Table(
                "Known as",
                ("provider", "id"),
                [(alias.provider.key, alias.external_id) for alias in aliases],
            ),
        ]


@admin.register(EventAlias)
class EventAliasAdmin(FactAdmin):
    """The providers' ids of events."""

    list_display = ("external_id", "provider", "event")
    list_filter = ("provider",)
    search_fields = ("=external_id", "event__home", "event__away")
    list_select_related = ("provider", "event")
