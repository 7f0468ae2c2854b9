"""Exports of fair prices, edges, opportunities and the runs that computed them, as flat tables."""

from __future__ import annotations

from django.db.models import F, OuterRef, Subquery

from betting.db.bets import FAIR_PRICE, OF_EDGE, OF_QUOTE
from betting.db.exports import (
    Table,
    Utc,
    alias_of_provider,
    market_columns,
)
from betting.models import EventAlias
from valuation.fees import net_price_in_sql
from valuation.models import ClosingPrice, ClosingQuote, EdgeClosing, RecomputeRun
from valuation.vouching import (
    CURRENT,
    EDGE_STATES,
    PRICED,
    bookmaker_keys,
    edges,
    fair_prices,
    opportunities,
)

# A fair price belongs to no single provider: its event is exported by the id known first.
_FIRST_ALIAS = Subquery(
    EventAlias.objects.filter(event=OuterRef("market__event"))
    .order_by("id")
    .values("external_id")[:1]
)

FAIR_PRICES = Table(
    name="fair_prices",
    rows=lambda: fair_prices().order_by("id"),
    columns={
        **market_columns("market", _FIRST_ALIAS),
        **FAIR_PRICE.columns,
        "probability": CURRENT["probability"],
        "fair_odds": CURRENT["fair_odds"],
        "method": "method",
        "books": "books",
        "state": CURRENT["state"],
        "reason": CURRENT["reason"],
        "version": "version",
        "valued_at": Utc("valued_at"),
        "confirmed_at": Utc("confirmed_at"),
        "is_stale": "is_stale",
    },
    statuses=PRICED,
)

CLOSING_PRICES = Table(
    name="closing_prices",
    rows=lambda: ClosingPrice.objects.order_by("id"),
    columns={
        **market_columns("market", _FIRST_ALIAS),
        **FAIR_PRICE.columns,
        "closes_at": Utc("closes_at"),
        "probability": "probability",
        "fair_odds": 1.0 / F("probability"),
        "method": "method",
        "books": "books",
        "reason": "reason",
        "priced_at": Utc("priced_at"),
        "version": "version",
        "taken_at": Utc("taken_at"),
    },
)

CLOSING_QUOTES = Table(
    name="closing_quotes",
    rows=lambda: ClosingQuote.objects.order_by("id"),
    columns={
        "quote_id": "quote_id",
        **market_columns("market", alias_of_provider("market", "quote__feed__provider")),
        **OF_QUOTE.columns,
        "closes_at": Utc("closes_at"),
        "price": "price",
        "reason": "reason",
        "seen_at": Utc("seen_at"),
        "version": "version",
        "taken_at": Utc("taken_at"),
    },
)

EDGE_CLOSINGS = Table(
    name="edge_closings",
    rows=lambda: EdgeClosing.objects.order_by("id"),
    columns={
        "edge_id": "edge_id",
        **market_columns("market", alias_of_provider("market", "edge__quote__feed__provider")),
        **OF_EDGE.columns,
        "closes_at": Utc("closes_at"),
        "probability": "probability",
        "books": "books",
        "by_others": "by_others",
        "opened_price": "edge__opened_price",
        "opened_ev": "opened_ev",
        "opened_clv": "opened_clv",
        "best_price": "best_price",
        "best_clv": "best_clv",
        "anchor": "anchor__key",
        "anchor_probability": "anchor_probability",
        "anchor_opened_clv": "anchor_opened_clv",
        "anchor_best_clv": "anchor_best_clv",
        "ahead_seconds": "ahead_seconds",
        "open_seconds": "open_seconds",
        "version": "version",
        "taken_at": Utc("taken_at"),
    },
)

EDGES = Table(
    name="edges",
    rows=lambda: edges().order_by("id"),
    columns={
        "id": "id",
        "quote_id": "quote_id",
        **market_columns("market", alias_of_provider("market", "quote__feed__provider")),
        **OF_QUOTE.columns,
        "price": "price",
        "net_price": net_price_in_sql("quote__bookmaker", "price", "quote__side"),
        "probability": "probability",
        "ev": "ev",
        "kelly": "kelly",
        "advised": "current_advised",
        "hold": "hold",
        "books": "books",
        "warnings": "warnings",
        "in_play": "is_in_play",
        "doubtful": "is_doubtful",
        "peak_ev": "peak_ev",
        "opened_at": Utc("opened_at"),
        "opened_price": "opened_price",
        "opened_probability": "opened_probability",
        "updated_at": Utc("updated_at"),
        "closed_at": Utc("closed_at"),
        "close_reason": "close_reason",
        "version": "version",
        "confirmed_at": Utc("confirmed_at"),
        "is_stale": "is_stale",
    },
    statuses=EDGE_STATES,
)

OPPORTUNITIES = Table(
    name="opportunities",
    rows=lambda: opportunities().order_by("id"),
    columns={
        "id": "id",
        **market_columns("market", _FIRST_ALIAS),
        "kind": "kind",
        "quote_ids": "quotes",
        "bookmakers": bookmaker_keys(),
        "prices": "prices",
        "parts": "parts",
        "booksum": "booksum",
        "profit": "profit",
        "worst": "worst",
        "best": "best",
        "gap": "gap",
        "break_even": "break_even",
        "in_play": "is_in_play",
        "opened_at": Utc("opened_at"),
        "updated_at": Utc("updated_at"),
        "closed_at": Utc("closed_at"),
        "close_reason": "close_reason",
        "version": "version",
        "confirmed_at": Utc("confirmed_at"),
        "is_stale": "is_stale",
    },
    statuses=EDGE_STATES,
)

RECOMPUTE_RUNS = Table(
    name="recompute_runs",
    rows=lambda: RecomputeRun.objects.order_by("id"),
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
