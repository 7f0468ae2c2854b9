"""Admin pages that show operators what the quotes are worth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import RangeDateTimeFilter

from betting.admin_base import formatting
from betting.admin_base.read_only import BetAdmin, FactAdmin, Table, TablesMixin
from betting.admin_base.unfold_types import badge
from betting.db.bets import FAIR_PRICE, OF_QUOTE
from valuation.models import (
    AppliedPolicy,
    Edge,
    FairPrice,
    FairPriceState,
    Opportunity,
    RecomputeRun,
    Revaluation,
)
from valuation.opportunity_legs import Leg, with_legs
from valuation.vouching import (
    EDGE_STATES,
    LISTED,
    PRICED,
    bookmaker_keys,
    edges,
    fair_prices,
    opportunities,
)

_EDGE_LISTS = {
    "in_play": ("in play", Q(is_in_play=True, is_doubtful=False)),
    "doubtful": ("outliers, suspicious and contradicted", Q(is_doubtful=True)),
    "all": ("all", Q()),
}
"""The lists beside the default one: name → title and condition."""


class PricedFilter(admin.SimpleListFilter):
    """A filter for outcomes that have a fair price, or have none."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        """Return the two states."""
        return [(state.value, state.label) for state in FairPriceState]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - Django's signature
        """Return the fair prices whose current state is the chosen one; all without a choice."""
        return queryset.filter(PRICED.get(self.value() or "", Q()))


@admin.register(FairPrice)
class FairPriceAdmin(BetAdmin):
    """The consensus of every outcome, or why there is none."""

    bet = FAIR_PRICE
    list_display = (
        "id",
        "event",
        "market",
        "selection",
        "fair",
        "odds",
        "books",
        "method",
        "verdict",
        "valued_at",
        "confirmed",
    )
    list_display_links = ("id", "selection")
    list_filter = (
        PricedFilter,
        "method",
        "market__event__sport",
        ("valued_at", RangeDateTimeFilter),
    )
    search_fields = (*bet.searched, "reason")
    fields = (
        ("outcome", "market"),
        ("current_state", "why_not", "confirmed"),
        ("fair", "odds"),
        ("books", "method"),
        ("version", "valued_at"),
    )
    readonly_fields = ("current_state", "why_not", "confirmed", "fair", "odds")

    def get_queryset(self, request: HttpRequest) -> QuerySet[FairPrice]:  # noqa: ARG002 - Django's signature
        """Return all fair prices with what may be shown of each now."""
        return fair_prices().order_by(*self.ordering)

    @admin.display(description="probability", ordering="current_probability")
    def fair(self, price: Any) -> str:
        """Return the consensus probability."""
        return formatting.percent(price.current_probability)

    @admin.display(description="fair odds")
    def odds(self, price: Any) -> str:
        """Return the decimal odds without margin."""
        return formatting.odds(price.current_fair_odds)

    @badge(
        "state",
        "current_state",
        {FairPriceState.OK.value: "success", FairPriceState.NONE.value: "warning"},
    )
    def verdict(self, price: Any) -> tuple[str, str]:
        """Return the state of the fair price, and why there is none."""
        state = FairPriceState(price.current_state)
        return state.value, price.current_reason or state.label

    @admin.display(description="state")
    def current_state(self, price: Any) -> str:
        """Return the state of the fair price."""
        return str(FairPriceState(price.current_state).label)

    @admin.display(description="why not")
    def why_not(self, price: Any) -> str:
        """Return why there is no fair price."""
        return str(price.current_reason)

    @admin.display(description="confirmed", ordering="confirmed_at")
    def confirmed(self, price: Any) -> object:
        """Return since when as many bookmakers as a fair price needs have been confirmed."""
        return price.confirmed_at


class OpenFilter(admin.SimpleListFilter):
    """A filter for what is open, what is open and no longer confirmed, or what is closed."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        """Return the three states."""
        return [(state, state) for state in EDGE_STATES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - Django's signature
        """Return the rows in the chosen state; all of them without a choice."""
        return queryset.filter(EDGE_STATES.get(self.value() or "", Q()))


class ListedFilter(admin.SimpleListFilter):
    """A filter that lists edges before the start and without doubts, unless others are chosen."""

    title = "list"
    parameter_name = "list"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        """Return the lists beside the default one."""
        return [(name, words) for name, (words, _) in _EDGE_LISTS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - Django's signature
        """Return the edges of the chosen list; those of the default one without a choice."""
        _, condition = _EDGE_LISTS.get(self.value() or "", ("", LISTED))
        return queryset.filter(condition)

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yield the lists, the default one by a name of its own instead of "All"."""
        default, *others = super().choices(changelist)
        yield {**default, "display": "before the start"}
        yield from others


@admin.register(Edge)
class EdgeAdmin(BetAdmin):
    """Edges from when they opened until they closed."""

    bet = OF_QUOTE
    list_display = (
        "id",
        "event",
        "market",
        "selection",
        "bookmaker",
        "side",
        "odds",
        "fair_odds",
        "expected_value",
        "stake",
        "books",
        "state",
        "confirmed",
        "opened_at",
        "closed_at",
        "close_reason",
    )
    list_display_links = ("id", "selection")
    list_filter = (
        ListedFilter,
        OpenFilter,
        "close_reason",
        "quote__bookmaker",
        "market__event__sport",
        ("opened_at", RangeDateTimeFilter),
    )
    search_fields = bet.searched
    fields = (
        ("quote", "market"),
        ("state", "is_in_play", "confirmed"),
        ("opened_at", "opened_price", "opened_probability"),
        ("price", "probability", "hold", "books"),
        ("ev", "peak_ev", "kelly", "stake"),
        "warnings",
        ("version", "updated_at"),
        ("closed_at", "close_reason"),
    )
    readonly_fields = ("state", "is_in_play", "confirmed", "stake")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Edge]:  # noqa: ARG002 - Django's signature
        """Return all edges, each with whether it still stands."""
        return edges().order_by(*self.ordering)

    @badge("state", "closed_at", {"open": "success", "stale": "danger"})
    def state(self, edge: Any) -> str:
        """Return the edge's state, which says whether it can be taken."""
        return "closed" if edge.closed_at else "stale" if edge.is_stale else "open"

    @admin.display(description="in play", boolean=True)
    def is_in_play(self, edge: Any) -> bool:
        """Return True if the event has started."""
        return bool(edge.is_in_play)

    @admin.display(description="confirmed", ordering="confirmed_at")
    def confirmed(self, edge: Any) -> object:
        """Return when the edge's quote was last confirmed."""
        return edge.confirmed_at

    @admin.display(description="side")
    def side(self, edge: Edge) -> str:
        """Return the side: back or lay."""
        return edge.quote.side

    @admin.display(description="odds", ordering="price")
    def odds(self, edge: Edge) -> str:
        """Return the price."""
        return formatting.odds(edge.price)

    @admin.display(description="fair odds", ordering="-probability")
    def fair_odds(self, edge: Edge) -> str:
        """Return the decimal odds of the other bookmakers' consensus."""
        return formatting.odds(1 / edge.probability)

    @admin.display(description="EV", ordering="ev")
    def expected_value(self, edge: Edge) -> str:
        """Return the expected value per unit staked."""
        return formatting.signed_percent(edge.ev)

    @admin.display(description="advised", ordering="current_advised")
    def stake(self, edge: Any) -> str:
        """Return the stake that is advised now, as a part of the bankroll."""
        return formatting.percent(edge.current_advised)


@admin.register(Opportunity)
class OpportunityAdmin(TablesMixin, FactAdmin):
    """Arbitrages, middles and low holds from when they opened until they closed."""

    list_display = (
        "id",
        "event",
        "market",
        "kind",
        "books",
        "worst_shown",
        "best_shown",
        "state",
        "confirmed",
        "opened_at",
        "close_reason",
    )
    list_display_links = ("id", "event")
    list_filter = (
        "kind",
        OpenFilter,
        "close_reason",
        "market__event__sport",
        ("opened_at", RangeDateTimeFilter),
    )
    search_fields = ("=market__kind", "market__event__home", "market__event__away")
    list_select_related = ("market__event",)
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
        rows: QuerySet[Any] = opportunities().annotate(books=bookmaker_keys())
        return rows.order_by(*self.ordering)

    def tables(self, row: Any) -> list[Table]:
        """Return the legs."""
        return [_legs_table(one.legs) for one in with_legs([row])]

    @admin.display(description="event")
    def event(self, one: Opportunity) -> str:
        """Return the event that is bet on."""
        return str(one.market.event)

    @admin.display(description="bookmakers")
    def books(self, one: Any) -> str:
        """Return the bookmakers of the legs."""
        return ", ".join(one.books)

    @admin.display(description="profit", ordering="profit")
    def profit_shown(self, one: Opportunity) -> str:
        """Return the profit where one leg wins."""
        return formatting.signed_percent(one.profit)

    @admin.display(description="worst", ordering="worst")
    def worst_shown(self, one: Opportunity) -> str:
        """Return the profit at the worst result."""
        return formatting.signed_percent(one.worst)

    @admin.display(description="best", ordering="best")
    def best_shown(self, one: Opportunity) -> str:
        """Return the profit at the best result."""
        return formatting.signed_percent(one.best)

    @admin.display(description="booksum")
    def booksum_shown(self, one: Opportunity) -> str:
        """Return the sum of 1/odds, net of commission."""
        return formatting.percent(one.booksum)

    @admin.display(description="pays from")
    def needs(self, one: Opportunity) -> str:
        """Return the chance of the best result from which a middle pays."""
        return formatting.percent(one.break_even)

    @badge("state", "closed_at", {"open": "success", "stale": "danger"})
    def state(self, one: Any) -> str:
        """Return the state, which says whether it can be taken."""
        return "closed" if one.closed_at else "stale" if one.is_stale else "open"

    @admin.display(description="confirmed", ordering="confirmed_at")
    def confirmed(self, one: Any) -> object:
        """Return when the leg was last confirmed that was confirmed the longest ago."""
        return one.confirmed_at


def _legs_table(legs: list[Leg]) -> Table:
    return Table(
        "Legs",
        ("selection", "bookmaker", "side", "odds", "net", "stake", "liability", "confirmed"),
        [
            (
                formatting.link(leg.quote, leg.quote.outcome),
                leg.quote.bookmaker.key,
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


@admin.register(RecomputeRun)
class RecomputeRunAdmin(FactAdmin):
    """One row for each recompute message."""

    list_display = (
        "finished_at",
        "trigger",
        "markets",
        "valued",
        "edges_opened",
        "edges_closed",
        "took",
        "median",
        "worst",
    )
    list_filter = ("trigger", ("finished_at", RangeDateTimeFilter))
    search_fields = ("=id", "=trigger")

    @admin.display(description="took", ordering="duration_ms")
    def took(self, run: RecomputeRun) -> str:
        """Return the time from reading to writing."""
        return formatting.milliseconds(run.duration_ms)

    @admin.display(description="median latency", ordering="latency_ms_median")
    def median(self, run: RecomputeRun) -> str:
        """Return the median time from the commit of a change to that of its value."""
        return formatting.milliseconds(run.latency_ms_median)

    @admin.display(description="longest latency", ordering="latency_ms_max")
    def worst(self, run: RecomputeRun) -> str:
        """Return that time for the market that waited longest."""
        return formatting.milliseconds(run.latency_ms_max)


@admin.register(Revaluation)
class RevaluationAdmin(FactAdmin):
    """Changed inputs whose markets are still being valued again."""

    list_display = ("reason", "bookmaker", "requested_at", "after_market")
    search_fields = ("reason", "=bookmaker__key")
    list_select_related = ("bookmaker",)


@admin.register(AppliedPolicy)
class AppliedPolicyAdmin(FactAdmin):
    """The valuation settings that the newest process values by."""

    list_display = ("fingerprint", "applied_at")
    search_fields = ("=fingerprint",)
