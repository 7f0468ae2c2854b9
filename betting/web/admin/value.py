"""Admin pages that show operators what the quotes are worth."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from betting import words
from betting.admin_base import formatting
from betting.admin_base.filters import ChoiceFilter, by_choice, by_related, by_time, by_value
from betting.admin_base.read_only import FactAdmin
from betting.admin_base.unfold_types import badge, number
from betting.db.bets import FAIR_PRICE, OF_QUOTE
from betting.web.admin.bets import BetAdmin
from valuation.models import (
    AppliedPolicy,
    Edge,
    FairPrice,
    FairPriceState,
    RecomputeRun,
    Result,
    Revaluation,
    Settlement,
)
from valuation.vouching import CURRENT, EDGE_STATES, LISTED, PRICED, edges, fair_prices

_EDGE_LISTS = {
    "in_play": ("in play", Q(is_in_play=True, is_doubtful=False)),
    "doubtful": ("outliers, suspicious and contradicted", Q(is_doubtful=True)),
    "all": ("all", Q()),
}
"""The lists beside the default one: name → title and condition."""

ANY_STATE = "all"
"""The choice that lists edges in every state."""

_NOT_BEST_FIRST = {"closed", ANY_STATE}
"""The states whose lists grow with the history: they are ordered by time."""


class PricedFilter(ChoiceFilter):
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
        "selection",
        "market_title",
        "event",
        "fair",
        "odds",
        "books",
        "verdict",
        "valued",
        "confirmed",
    )
    list_filter = (
        PricedFilter,
        by_value("method"),
        by_related("market__event__sport"),
        by_time("valued_at"),
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
        return fair_prices().select_related(*self.bet.related)

    @number
    @admin.display(description="probability", ordering=CURRENT["probability"])
    def fair(self, price: Any) -> str:
        """Return the consensus probability."""
        return formatting.percent(price.current_probability)

    @number
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

    @admin.display(description="valued", ordering="valued_at")
    def valued(self, price: Any) -> str:
        """Return when it was computed."""
        return formatting.moment(price.valued_at)

    @admin.display(description="state")
    def current_state(self, price: Any) -> str:
        """Return the state of the fair price."""
        return str(FairPriceState(price.current_state).label)

    @admin.display(description="why not")
    def why_not(self, price: Any) -> str:
        """Return why there is no fair price."""
        return str(price.current_reason)

    @admin.display(description="confirmed", ordering="confirmed_at")
    def confirmed(self, price: Any) -> str:
        """Return since when as many bookmakers as a fair price needs have been confirmed."""
        return formatting.moment(price.confirmed_at)


class StandingMixin:
    """Columns of rows that open, stand while their quotes are confirmed, and close."""

    @badge("state", "closed_at", {"open": "success", "stale": "danger"})
    def state(self, row: Any) -> str:
        """Return the row's state, which says whether it can be taken."""
        return "closed" if row.closed_at else "stale" if row.is_stale else "open"

    @admin.display(description="confirmed", ordering="confirmed_at")
    def confirmed(self, row: Any) -> str:
        """Return when the last confirmation was of the quote that was confirmed the longest ago."""
        return formatting.moment(row.confirmed_at)


class OpenFilter(ChoiceFilter):
    """A filter that lists edges until they close, unless another state is chosen.

    The default asks for no more than an index has: to judge whether an edge still stands takes
    time, and is done for the rows of a page.
    """

    title = "state"
    parameter_name = "state"
    all_option = ("", "not closed")

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        """Return the three states, and that of all edges."""
        return [(state, state) for state in (*EDGE_STATES, ANY_STATE)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - Django's signature
        """Return the edges in the chosen state; those that are not closed without a choice."""
        default = {"": Q(closed_at__isnull=True)}
        return queryset.filter((default | EDGE_STATES).get(self.value() or "", Q()))


class ListedFilter(ChoiceFilter):
    """A filter that lists edges before the start and without doubts, unless others are chosen."""

    title = "list"
    parameter_name = "list"
    all_option = ("", "before the start")

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        """Return the lists beside the default one."""
        return [(name, words) for name, (words, _) in _EDGE_LISTS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - Django's signature
        """Return the edges of the chosen list; those of the default one without a choice."""
        _, condition = _EDGE_LISTS.get(self.value() or "", ("", LISTED))
        return queryset.filter(condition)


@admin.register(Edge)
class EdgeAdmin(StandingMixin, BetAdmin):
    """Edges until they close, the best first; on request those that have closed."""

    bet = OF_QUOTE
    empty_title = "No open edges"
    empty_words = "Nothing pays more than its fair price."
    ordering = ("-ev",)
    list_display = (
        "bet_title",
        "event",
        "league",
        "bookmaker_title",
        "odds",
        "fair_odds",
        "expected_value",
        "stake",
        "books",
        "state",
        "since",
        "confirmed",
    )
    list_filter = (
        ListedFilter,
        OpenFilter,
        by_choice("close_reason"),
        by_related("quote__bookmaker"),
        by_related("market__event__sport"),
        by_time("opened_at"),
    )
    search_fields = bet.searched
    change_form_outer_before_template = "betting/bet.html"
    fields = (
        ("odds", "fair_odds"),
        ("expected_value", "peak"),
        ("stake", "full_kelly"),
        ("books", "bookmakers_hold"),
        ("state", "is_in_play"),
        ("confirmed", "doubts"),
        ("opened_at", "opened"),
        ("closed_at", "close_reason"),
        ("version", "updated_at"),
    )
    readonly_fields = (
        "odds",
        "fair_odds",
        "expected_value",
        "peak",
        "stake",
        "full_kelly",
        "bookmakers_hold",
        "state",
        "is_in_play",
        "confirmed",
        "doubts",
        "opened",
    )

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the best first, but the newest first of a list that holds closed edges."""
        return ("-id",) if request.GET.get("state") in _NOT_BEST_FIRST else self.ordering

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        """Add when and why edges closed, where there are closed ones."""
        columns = self.list_display
        if request.GET.get("state") not in _NOT_BEST_FIRST:
            return columns
        return (*columns[:-1], "closed_at", "close_reason")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Edge]:  # noqa: ARG002 - Django's signature
        """Return all edges, each with whether it still stands."""
        return edges().select_related(*self.bet.related)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Name the bet on the edge's page."""
        edge = kwargs["obj"]
        context |= {
            "edge": edge,
            "bet": self.bet_title(edge),
            "event_title": self.event(edge),
            "league": self.league(edge),
            "bookmaker": self.bookmaker_title(edge),
            "price": self.odds(edge),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="bet")
    def bet_title(self, edge: Edge) -> str:
        """Return the bet in words."""
        market, quote = edge.market, edge.quote
        return words.bet_title(market, quote.outcome, quote.side, market.event.sport.key)

    @admin.display(description="league")
    def league(self, edge: Edge) -> str:
        """Return the title of the sport or competition."""
        return edge.market.event.sport.title

    @admin.display(description="since", ordering="opened_at")
    def since(self, edge: Edge) -> str:
        """Return when the edge opened."""
        return formatting.moment(edge.opened_at)

    @admin.display(description="in play", boolean=True)
    def is_in_play(self, edge: Any) -> bool:
        """Return True if the event has started."""
        return bool(edge.is_in_play)

    @number
    @admin.display(description="odds", ordering="price")
    def odds(self, edge: Edge) -> str:
        """Return the price."""
        return formatting.odds(edge.price)

    @number
    @admin.display(description="fair odds", ordering="-probability")
    def fair_odds(self, edge: Edge) -> str:
        """Return the decimal odds of the other bookmakers' consensus."""
        return formatting.odds(1 / edge.probability)

    @number
    @admin.display(description="EV", ordering="ev")
    def expected_value(self, edge: Edge) -> str:
        """Return the expected value per unit staked."""
        return words.signed_percent(edge.ev)

    @number
    @admin.display(description="advised", ordering="current_advised")
    def stake(self, edge: Any) -> str:
        """Return the stake that is advised now, as a part of the bankroll."""
        return formatting.percent(edge.current_advised)

    @admin.display(description="warnings")
    def doubts(self, edge: Edge) -> str:
        """Return the edge's warnings in words."""
        return ", ".join(warning.replace("_", " ") for warning in edge.warnings)

    @admin.display(description="best EV so far")
    def peak(self, edge: Edge) -> str:
        """Return the highest expected value that it has had."""
        return words.signed_percent(edge.peak_ev)

    @admin.display(description="full Kelly stake")
    def full_kelly(self, edge: Edge) -> str:
        """Return the stake by Kelly's rule, before it is reduced."""
        return formatting.percent(edge.kelly)

    @admin.display(description="bookmaker's hold")
    def bookmakers_hold(self, edge: Edge) -> str:
        """Return the bookmaker's margin on the line."""
        return formatting.percent(edge.hold)

    @admin.display(description="opened with")
    def opened(self, edge: Edge) -> str:
        """Return the price and the fair price when it opened."""
        fair = formatting.odds(1 / edge.opened_probability)
        return f"{formatting.odds(edge.opened_price)}, fair {fair}"


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
    list_filter = (by_choice("trigger"), by_time("finished_at"))
    search_fields = ("=id", "=trigger")

    @number
    @admin.display(description="took", ordering="duration_ms")
    def took(self, run: RecomputeRun) -> str:
        """Return the time from reading to writing."""
        return formatting.milliseconds(run.duration_ms)

    @number
    @admin.display(description="median latency", ordering="latency_ms_median")
    def median(self, run: RecomputeRun) -> str:
        """Return the median time from the commit of a change to that of its value."""
        return formatting.milliseconds(run.latency_ms_median)

    @number
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


@admin.register(Result)
class ResultAdmin(FactAdmin):
    """The results of events, as `manage.py results import` wrote them."""

    list_display = ("event", "status", "score", "source", "recorded_at")
    search_fields = ("event__home", "event__away")
    list_select_related = ("event",)

    @admin.display(description="home : away")
    def score(self, result: Result) -> str:
        """Return the score; empty where there is none."""
        return "" if result.home_score is None else f"{result.home_score} : {result.away_score}"


@admin.register(Settlement)
class SettlementAdmin(FactAdmin):
    """The payments of an exchange's contracts, as `manage.py results import` wrote them."""

    list_display = ("outcome", "event", "value", "source", "recorded_at")
    search_fields = ("outcome__name", "outcome__market__event__home")
    list_select_related = ("outcome__market__event",)

    @admin.display(description="event")
    def event(self, settlement: Settlement) -> str:
        """Return the outcome's event."""
        return str(settlement.outcome.market.event)
