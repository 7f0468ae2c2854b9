"""The URLs of the API, version 1."""

from __future__ import annotations

from django.urls import path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.permissions import AllowAny
from rest_framework.routers import DefaultRouter

from betting.web.api.throttles import AnonymousThrottle
from betting.web.api.views import clv, health, odds, operations, stream, valuation
from betting.web.api.views.index import Index
from betting.web.api.views.missing import Missing

router = DefaultRouter()
router.include_format_suffixes = False
router.APIRootView = Index
router.register("events", odds.EventViews)
router.register("markets", odds.MarketViews)
router.register("quotes", odds.QuoteViews)
router.register("bookmakers", odds.BookmakerViews)
router.register("fair-prices", valuation.FairPriceViews, "fairprice")
router.register("edges", valuation.EdgeViews, "edge")
router.register("arbitrages", valuation.ArbitrageViews, "arbitrage")
router.register("middles", valuation.MiddleViews, "middle")
router.register("providers", operations.ProviderViews)
router.register("circuits", operations.CircuitViews)
router.register("circuit-transitions", operations.TransitionViews)
router.register("feed-circuits", operations.FeedCircuitViews)
router.register("feeds", operations.FeedViews)
router.register("feed-books", operations.FeedBookViews)
router.register("poll-runs", operations.PollRunViews)
router.register("recompute-runs", operations.RecomputeRunViews)
router.register("dead-letters", operations.LetterViews)
router.register("health-snapshots", health.SnapshotViews)

# Public: the description of the API holds nothing that the repository does not.
_public = {"permission_classes": [AllowAny], "throttle_classes": [AnonymousThrottle]}

urlpatterns = [
    *router.urls,
    path("health/", health.HealthView.as_view(), name="api_health"),
    path("clv/", clv.ClvView.as_view(), name="clv"),
    path("stream/", stream.StreamView.as_view(), name="stream"),
    path("schema/", SpectacularAPIView.as_view(**_public), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view(url_name="schema", **_public), name="docs"),
    re_path(r"", Missing.as_view()),
]
