"""Sports, events and the providers' ids of events."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Case, When
from django.http import HttpRequest

from betting import words
from betting.admin_base.filters import by_choice, by_related, by_time
from betting.admin_base.formatting import link
from betting.admin_base.read_only import FactAdmin, Table, TablesMixin
from betting.models import Event, EventAlias, EventStatus, Sport

MARKETS_SHOWN = 500


@admin.register(Sport)
class SportAdmin(FactAdmin):
    """Sports and competitions, as feeds key them."""

    list_display = ("title", "key")
    search_fields = ("key", "title")
    ordering = ("title",)


@admin.register(Event)
class EventAdmin(TablesMixin, FactAdmin):
    """Events, each with its markets and ids; those that have not ended first, by their start."""

    needs_prices = True
    list_display = ("name", "league", "commence_time", "status")
    list_filter = (by_choice("status"), by_related("sport"), by_time("commence_time"))
    search_fields = ("home", "away", "=aliases__external_id")
    list_select_related = ("sport",)

    def get_ordering(self, request: HttpRequest) -> tuple[Case | str, ...]:  # noqa: ARG002 - Django's signature
        """Return the order: what has ended comes last."""
        has_ended = Case(When(status=EventStatus.ENDED, then=1), default=0)
        return (has_ended, "commence_time")

    @admin.display(description="event", ordering="home")
    def name(self, event: Event) -> str:
        """Return what bettors call the event."""
        return words.event_title(event)

    @admin.display(description="league", ordering="sport__title")
    def league(self, event: Event) -> str:
        """Return the title of the sport or competition."""
        return event.sport.title

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
                        link(market, words.market_title(market, row.sport.key)),
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

    list_display = ("event", "provider", "external_id")
    list_filter = (by_related("provider"),)
    search_fields = ("=external_id", "event__home", "event__away")
    list_select_related = ("provider", "event")
