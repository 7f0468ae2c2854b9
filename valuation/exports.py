"""Fair prices, edges and the runs that computed them as flat tables."""

from __future__ import annotations

from django.db.models import F, OuterRef, Q, Subquery

from betting.exports import Table, Utc, alias_of_provider, market_columns, quote_columns
from betting.models import EventAlias
from valuation.models import Edge, FairPrice, FairPriceState, RecomputeRun

# A fair price is of all providers; its event goes by the id it was first known by.
_FIRST_ALIAS = Subquery(
    EventAlias.objects.filter(event=OuterRef("market__event"))
    .order_by("id")
    .values("external_id")[:1]
)

FAIR_PRICES = Table(
    name="fair_prices",
    rows=FairPrice.objects.order_by("id"),
    columns={
        **market_columns("market", _FIRST_ALIAS),
        "outcome": "outcome__name",
        "point": "outcome__point",
        "probability": "probability",
        "fair_odds": 1.0 / F("probability"),
        "method": "method",
        "books": "books",
        "state": "state",
        "reason": "reason",
        "version": "version",
        "valued_at": Utc("valued_at"),
    },
    statuses={state.value: Q(state=state) for state in FairPriceState},
)

EDGES = Table(
    name="edges",
    rows=Edge.objects.order_by("id"),
    columns={
        "id": "id",
        "quote_id": "quote_id",
        **market_columns("market", alias_of_provider("market", "quote__feed__provider")),
        **quote_columns("quote__"),
        "price": "price",
        "probability": "probability",
        "ev": "ev",
        "kelly": "kelly",
        "advised": "advised",
        "hold": "hold",
        "books": "books",
        "warnings": "warnings",
        "peak_ev": "peak_ev",
        "opened_at": Utc("opened_at"),
        "opened_price": "opened_price",
        "opened_probability": "opened_probability",
        "updated_at": Utc("updated_at"),
        "closed_at": Utc("closed_at"),
        "close_reason": "close_reason",
        "version": "version",
    },
    statuses={"open": Q(closed_at__isnull=True), "closed": Q(closed_at__isnull=False)},
)

RECOMPUTE_RUNS = Table(
    name="recompute_runs",
    rows=RecomputeRun.objects.order_by("id"),
    columns={
        "id": "id",
        "trigger": "trigger",
        "finished_at": Utc("finished_at"),
        "duration_ms": "duration_ms",
        "markets": "markets",
        "valued": "valued",
        "edges_opened": "edges_opened",
        "edges_closed": "edges_closed",
        "latency_ms_median": "latency_ms_median",
        "latency_ms_max": "latency_ms_max",
        "latency_ms_sum": "latency_ms_sum",
        "latency_counts": "latency_counts",
    },
)
