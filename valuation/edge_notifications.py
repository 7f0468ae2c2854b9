"""Notifications of the edges that a recompute opened and closed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from streaming.core.notifications import EdgeClosed, EdgeOpened
from valuation.models import Edge
from valuation.recompute import EdgeChange, RecomputeResult


def edge_changes(result: RecomputeResult) -> list[EdgeOpened | EdgeClosed]:
    """Return a notification for each edge that opened or closed, built by one statement.

    The numbers are those that the recompute wrote, even if the edge has changed since. An edge that
    has been deleted since is left out.
    """
    ids = [change.edge_id for change in (*result.edges_opened, *result.edges_closed)]
    if not ids:
        return []
    now = datetime.now(UTC)
    related = ("market__event__sport", "quote__outcome", "quote__bookmaker")
    edges = Edge.objects.select_related(*related).in_bulk(ids)
    opened = [
        EdgeOpened(
            **_common(change, edge, now), advised=change.advised, warnings=list(edge.warnings)
        )
        for change in result.edges_opened
        if (edge := edges.get(change.edge_id))
    ]
    closed = [
        EdgeClosed(**_common(change, edge, now), reason=change.reason, peak_ev=change.peak_ev)
        for change in result.edges_closed
        if (edge := edges.get(change.edge_id))
    ]
    return [*opened, *closed]


def _common(change: EdgeChange, edge: Edge, now: datetime) -> dict[str, Any]:
    market, event, outcome = edge.market, edge.market.event, edge.quote.outcome
    return {
        "id": uuid4(),
        "occurred_at": now,
        "sport": event.sport.key,
        "event_id": event.pk,
        "home": event.home,
        "away": event.away,
        "commence_time": event.commence_time,
        "market_id": market.pk,
        "market": market.key,
        "participant": market.participant,
        "version": change.version,
        "edge_id": change.edge_id,
        "bookmaker": edge.quote.bookmaker.key,
        "side": edge.quote.side,
        "outcome": outcome.name,
        "point": outcome.point,
        "price": change.price,
        "probability": change.probability,
        "ev": change.ev,
    }
