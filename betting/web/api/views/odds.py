"""Events, markets, quotes and the history of their lines."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from betting.db.bets import OF_QUOTE
from betting.db.freshness import with_disputes, with_freshness
from betting.db.querysets import changes_of, series
from betting.models import Bookmaker, Event, Market, Outcome, Quote, Side
from betting.web.api.pagination import HistoryPages
from betting.web.api.parameters import (
    EventParameters,
    HistoryParameters,
    MarketParameters,
    QuoteParameters,
)
from betting.web.api.serializers.comparison import ComparisonSerializer
from betting.web.api.serializers.odds import (
    BestSerializer,
    BookmakerSerializer,
    EventSerializer,
    LineChangeSerializer,
    MarketBoardSerializer,
    MarketSerializer,
    QuoteSerializer,
)
from betting.web.api.views.base import RowsView, checked
from valuation.best_prices import best_prices
from valuation.comparison import compared
from valuation.vouching import fair_prices

_EVENT_FACTS = ("home", "away", "commence_time", "status")
ABOUT_MARKET = tuple(f"market__event__{fact}" for fact in _EVENT_FACTS)
"""The fields of a market's event that may change in a row that shows the event."""

FRESHNESS = ("confirmed_at", "is_stale")
"""The fields that change as time passes, without a write to the row."""


def _shown(quotes: QuerySet[Quote]) -> QuerySet[Quote]:
    """Return the quotes with their freshness and disputes."""
    return with_disputes(with_freshness(quotes))


class EventViews(mixins.RetrieveModelMixin, RowsView):
    """Events, the latest created first."""

    reads_replica = True
    queryset = Event.objects.select_related("sport")
    serializer_class = EventSerializer
    parameters = EventParameters
    version_fields = ("id", *_EVENT_FACTS)
    lookup_value_regex = "[0-9]+"


class _HistoryView(RowsView):
    """Rows whose quotes have a history of changes."""

    reads_replica = True

    def _history(self, quotes: QuerySet[Quote]) -> Response:
        changes = checked(HistoryParameters, self.request).narrow(changes_of(quotes))
        pages = HistoryPages()
        changes = changes.select_related(*OF_QUOTE.related)
        page: Any = pages.paginate_queryset(changes, self.request, self)
        context = self.get_serializer_context()
        return pages.get_paginated_response(
            LineChangeSerializer(page, many=True, context=context).data
        )


_describes_history = extend_schema(
    parameters=[HistoryParameters], responses=LineChangeSerializer(many=True)
)


class MarketViews(mixins.RetrieveModelMixin, _HistoryView):
    """Markets; one of them comes with its outcomes, their fair prices and current quotes."""

    shows_odds = True
    queryset = Market.objects.select_related("event__sport")
    serializer_class = MarketSerializer
    parameters = MarketParameters
    version_fields = (
        "id",
        "version",
        "valued_version",
        "valued_at",
        *(f"event__{fact}" for fact in _EVENT_FACTS),
    )
    lookup_value_regex = "[0-9]+"

    def get_queryset(self) -> QuerySet[Market]:
        """Return the markets; a single one comes with its outcomes, fair prices and quotes."""
        markets: QuerySet[Market] = super().get_queryset()
        if self.action != "retrieve":
            return markets
        quotes = _shown(Quote.objects.select_related("bookmaker", "feed__provider"))
        return markets.prefetch_related(
            Prefetch("outcomes", Outcome.objects.order_by("id")),
            Prefetch("outcomes__fair_price", fair_prices()),
            Prefetch("outcomes__quotes", quotes.order_by("id")),
        )

    def get_serializer_class(self) -> Any:
        """Return the serializer of a market's board, or of a list's rows."""
        return MarketBoardSerializer if self.action == "retrieve" else MarketSerializer

    @extend_schema(responses=BestSerializer(many=True), filters=False)
    @action(detail=True, pagination_class=None)
    def best(self, request: Request, pk: str) -> Response:  # noqa: ARG002 - the framework's signature
        """List the market's outcomes with the best prices that can be bet on now."""
        market = self.get_object()
        outcomes = market.outcomes.order_by("id").prefetch_related(
            Prefetch("fair_price", fair_prices())
        )
        best = best_prices(market)
        for outcome in outcomes:
            outcome.best_back = best.get((outcome.pk, Side.BACK))
            outcome.best_lay = best.get((outcome.pk, Side.LAY))
        context = self.get_serializer_context()
        return Response(BestSerializer(outcomes, many=True, context=context).data)

    @extend_schema(responses=ComparisonSerializer)
    @action(detail=True, pagination_class=None)
    def comparison(self, request: Request, pk: str) -> Response:  # noqa: ARG002 - the framework's signature
        """Show the prices of all bookmakers side by side, per line: with fair and best prices."""
        market = self.get_object()
        found = {"market": market, "lines": compared(market.pk)}
        return Response(ComparisonSerializer(found, context=self.get_serializer_context()).data)

    @_describes_history
    @action(detail=True, pagination_class=HistoryPages)
    def history(self, request: Request, pk: str) -> Response:  # noqa: ARG002 - the framework's signature
        """List the changes of all the market's quotes, newest first."""
        return self._history(Quote.objects.filter(market=self.get_object()))


class BookmakerViews(mixins.RetrieveModelMixin, RowsView):
    """Bookmakers and exchanges, the latest seen first."""

    queryset = Bookmaker.objects.prefetch_related("weights")
    serializer_class = BookmakerSerializer
    lookup_field = "key"
    lookup_value_regex = r"[^/\x00]+"


class QuoteViews(mixins.RetrieveModelMixin, _HistoryView):
    """Every bookmaker's current price."""

    shows_odds = True
    queryset = _shown(
        Quote.objects.select_related(
            "market__event__sport", "outcome", "bookmaker", "feed__provider"
        )
    )
    serializer_class = QuoteSerializer
    parameters = QuoteParameters
    version_fields = (
        "id",
        "price",
        "status",
        "changed_at",
        "feed_id",
        "disputed_by",
        "bookmaker__commission",
        "bookmaker__is_venue",
        "bookmaker__fee_model",
        *FRESHNESS,
        *ABOUT_MARKET,
    )
    lookup_value_regex = "[0-9]+"

    @_describes_history
    @action(detail=True, pagination_class=HistoryPages)
    def history(self, request: Request, pk: str) -> Response:  # noqa: ARG002 - the framework's signature
        """List the changes of the quote's line over all its points, newest first."""
        return self._history(series(self.get_object()))
