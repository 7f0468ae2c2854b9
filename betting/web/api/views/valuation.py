"""Fair prices, edges, arbitrages and middles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.request import Request
from rest_framework.response import Response

from betting.db.bets import FAIR_PRICE, OF_QUOTE
from betting.models import EventStatus, Market
from betting.web.api.pagination import MAX_PAGE
from betting.web.api.parameters import (
    EdgeParameters,
    FairPriceParameters,
    OpportunityParameters,
    Parameters,
)
from betting.web.api.serializers.valuation import (
    ArbitragesSerializer,
    EdgeSerializer,
    FairPriceSerializer,
    MiddlesSerializer,
)
from betting.web.api.views.base import ApiView, RowsView, checked
from betting.web.api.views.odds import ABOUT_MARKET, FRESHNESS
from valuation.opportunities import Cover, Middle, Opportunities, load_all
from valuation.vouching import edges, fair_prices

MAX_MARKETS = 200
"""The most markets that are examined for one answer: those that changed last."""


class FairPriceViews(mixins.RetrieveModelMixin, RowsView):
    """The consensus on every outcome, or why there is none."""

    queryset = fair_prices().select_related(*FAIR_PRICE.related)
    serializer_class = FairPriceSerializer
    parameters = FairPriceParameters
    version_fields = ("id", "version", "valued_at", *FRESHNESS, *ABOUT_MARKET)
    lookup_value_regex = "[0-9]+"


class EdgeViews(mixins.RetrieveModelMixin, RowsView):
    """Edges, the latest opened first."""

    queryset = edges().select_related(*OF_QUOTE.related)
    serializer_class = EdgeSerializer
    parameters = EdgeParameters
    version_fields = (
        "id",
        "version",
        "updated_at",
        "is_in_play",
        "current_advised",
        "quote__bookmaker__commission",
        *FRESHNESS,
        *ABOUT_MARKET,
    )
    lookup_value_regex = "[0-9]+"


class ArbitragesView(ApiView):
    """Bets that never lose together, among the markets that changed last."""

    @extend_schema(parameters=[OpportunityParameters], responses=ArbitragesSerializer)
    def get(self, request: Request) -> Response:
        """List the current arbitrages, best first."""
        markets = _markets(checked(OpportunityParameters, request))
        found = [(one, market) for market, offer in _offers(markets) for one in offer.arbitrages]
        found.sort(key=lambda pair: pair[0].profit, reverse=True)
        return Response(ArbitragesSerializer(_answer(markets, found)).data)


class MiddlesView(ApiView):
    """Pairs of bets that can both win, among the markets that changed last."""

    @extend_schema(parameters=[OpportunityParameters], responses=MiddlesSerializer)
    def get(self, request: Request) -> Response:
        """List the current middles, cheapest first."""
        markets = _markets(checked(OpportunityParameters, request))
        found = [(one, market) for market, offer in _offers(markets) for one in offer.middles]
        found.sort(key=lambda pair: pair[0].break_even)
        return Response(MiddlesSerializer(_answer(markets, found)).data)


def _markets(parameters: Parameters) -> list[Market]:
    markets = Market.objects.select_related("event__sport").exclude(event__status=EventStatus.ENDED)
    return list(
        parameters.narrow(markets)
        .filter(changed_at__isnull=False)
        .order_by("-changed_at", "-id")[:MAX_MARKETS]
    )


def _offers(markets: list[Market]) -> Iterator[tuple[Market, Opportunities]]:
    found = load_all(markets)
    return ((market, found[market.pk]) for market in markets)


def _answer(markets: list[Market], found: list[tuple[Any, Market]]) -> dict[str, Any]:
    """Return the first `MAX_PAGE` of the opportunities, each with its market."""
    return {
        "markets_examined": len(markets),
        "results": [
            _fields(one)
            | {
                "market": market,
                "event": market.event,
                "in_play": one.is_in_play,
                "confirmed_at": one.confirmed_at,
            }
            for one, market in found[:MAX_PAGE]
        ],
    }


def _fields(one: Cover | Middle) -> dict[str, Any]:
    fields = {name: getattr(one, name) for name in one.__slots__}
    if isinstance(one, Cover):
        fields["bets"] = [
            {name: getattr(bet, name) for name in bet.__slots__}
            | {"stake": stake.stake, "liability": stake.liability}
            for bet, stake in one.legs
        ]
    return fields
