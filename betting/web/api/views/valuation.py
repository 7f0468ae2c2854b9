"""Fair prices, edges, arbitrages and middles."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.db.models import QuerySet
from rest_framework import mixins
from rest_framework.response import Response

from betting.db.bets import FAIR_PRICE, OF_QUOTE
from betting.models import EventStatus, Market
from betting.web.api.edge_pages import EdgePages
from betting.web.api.pagination import RankedPages
from betting.web.api.parameters import (
    ArbitrageParameters,
    EdgeParameters,
    FairPriceParameters,
    MiddleParameters,
    OpportunityParameters,
)
from betting.web.api.serializers.valuation import (
    ArbitrageSerializer,
    EdgeSerializer,
    FairPriceSerializer,
    MiddleSerializer,
)
from betting.web.api.views.base import RowsView, checked
from betting.web.api.views.odds import ABOUT_MARKET, FRESHNESS
from valuation.models import OpportunityKind
from valuation.opportunity_legs import with_legs
from valuation.vouching import OPEN, edges, fair_prices, opportunities, unjudged_edges

MARKET = ("market__event__sport",)


class FairPriceViews(mixins.RetrieveModelMixin, RowsView):
    """The consensus on every outcome, or why there is none."""

    reads_replica = True
    shows_odds = True
    serializer_class = FairPriceSerializer
    parameters = FairPriceParameters
    version_fields = ("id", "version", "valued_at", *FRESHNESS, *ABOUT_MARKET)
    lookup_value_regex = "[0-9]+"

    @property
    def queryset(self) -> QuerySet[Any]:  # type: ignore[override]
        """The fair prices, judged by the rules in force now."""
        return fair_prices().select_related(*FAIR_PRICE.related)


class EdgeViews(mixins.RetrieveModelMixin, RowsView):
    """Edges, the latest opened first unless `ordering` asks otherwise."""

    reads_replica = True
    shows_odds = True
    serializer_class = EdgeSerializer
    parameters = EdgeParameters
    pagination_class = EdgePages
    is_versioned_as_shown = True
    lookup_value_regex = "[0-9]+"

    @property
    def queryset(self) -> QuerySet[Any]:  # type: ignore[override]
        """The edges, judged by the rules in force now; for a list those that are judged later."""
        return edges().select_related(*OF_QUOTE.related) if self.detail else unjudged_edges()

    def paginate_queryset(self, queryset: Any) -> Any:
        """Return the page's edges, each judged."""
        given = cast("EdgeParameters", checked(self.parameters, self.request))
        pages = cast("EdgePages", self.paginator)
        ordering = given.validated_data["ordering"]
        return pages.read(queryset, given.listed, self.request, ordering)


class _OpportunityViews(RowsView):
    """Open opportunities of one kind, over all markets."""

    reads_replica = True
    shows_odds = True
    pagination_class = RankedPages
    kind: ClassVar[OpportunityKind]

    @property
    def queryset(self) -> QuerySet[Any]:  # type: ignore[override]
        """The opportunities of the kind, judged by the rules in force now."""
        return opportunities().filter(OPEN, kind=self.kind).select_related(*MARKET)

    def paginate_queryset(self, queryset: Any) -> Any:
        """Return the page's rows with their legs."""
        return with_legs(super().paginate_queryset(queryset) or [])

    def get_paginated_response(self, data: Any) -> Response:
        """Return the page with the number of markets that were valued for it."""
        response = super().get_paginated_response(data)
        given = cast("OpportunityParameters", checked(self.parameters, self.request))
        markets = Market.objects.exclude(event__status=EventStatus.ENDED)
        valued = given.narrow_markets(markets.filter(valued_at__isnull=False))
        response.data["markets_examined"] = valued.count()
        return response


class ArbitrageViews(_OpportunityViews):
    """Bets that never lose together, the most profitable first unless `ordering` asks otherwise."""

    parameters = ArbitrageParameters
    kind = OpportunityKind.ARBITRAGE
    serializer_class = ArbitrageSerializer


class MiddleViews(_OpportunityViews):
    """Pairs of bets that can both win, in the order that `ordering` asks for."""

    parameters = MiddleParameters
    kind = OpportunityKind.MIDDLE
    serializer_class = MiddleSerializer
