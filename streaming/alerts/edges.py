"""The edges that a subscriber has not been sent and wants, and those it was sent that are gone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from betting.db.bets import OF_QUOTE
from streaming.core.alerts import EdgeFacts, Rules, Timing
from streaming.models import Alert, AlertSubscriber, AlertTopic
from valuation import vouching
from valuation.models import Edge
from valuation.vouching import JudgedEdge

JUDGED_AT_ONCE = 500
"""The edges, best first, that one statement judges.

A look ends when as many stand, and the next looks at what is left.
"""

_FACTS = (
    "market__event__sport__key",
    "quote__bookmaker__key",
    "ev",
    "books",
    "market__event__commence_time",
)
"""The columns of `EdgeFacts`."""


def new_edges(subscriber: AlertSubscriber, now: datetime) -> list[Alert]:
    """Return an alert, not yet saved, for each edge that is news to a subscriber, best first.

    Args:
        subscriber: whose rules decide.
        now: the time.
    """
    rules = subscriber.rules
    sent = Alert.objects.filter(
        subscriber=subscriber, topic=AlertTopic.EDGE, edge_id=OuterRef("pk")
    )
    # Those of another time, or in doubt, may be many and the best: they are not worth a judgement.
    wanted = vouching.edges().filter(~Exists(sent), closed_at__isnull=True, is_doubtful=False)
    if rules.timing is not Timing.BOTH:
        wanted = wanted.filter(is_in_play=rules.timing is Timing.IN_PLAY)
    if rules.min_ev is not None:
        wanted = wanted.filter(ev__gte=rules.min_ev)
    rows: QuerySet[Any] = wanted.order_by("-ev", "pk").values_list("pk", "opened_at", *_FACTS)
    opened = {
        pk: opened_at for pk, opened_at, *facts in rows if rules.accept(EdgeFacts(*facts), now)
    }
    return [
        Alert(subscriber=subscriber, topic=AlertTopic.EDGE, edge_id=pk, happened_at=opened[pk])
        for pk in _enough_standing(list(opened), rules)
    ]


def _enough_standing(edge_ids: Sequence[int], rules: Rules) -> list[int]:
    """Return the first of some edges that stand: all of them, or enough for one look."""
    found: list[int] = []
    for start in range(0, len(edge_ids), JUDGED_AT_ONCE):
        judged = edge_ids[start : start + JUDGED_AT_ONCE]
        standing = standing_among(judged, rules)
        found += [pk for pk in judged if pk in standing]
        if len(found) >= JUDGED_AT_ONCE:
            break
    return found


def gone_edges(subscriber: AlertSubscriber, now: datetime) -> list[Alert]:
    """Return an alert, not yet saved, for each edge that was sent and has closed since.

    Each of those is marked as gone, so that it is not found again.
    """
    sent = Alert.objects.filter(
        subscriber=subscriber,
        topic=AlertTopic.EDGE,
        is_listed=True,
        sent_at__isnull=False,
        gone_at__isnull=True,
    )
    found = vouching.unjudged_edges().filter(pk__in=sent.values("edge_id"), closed_at__isnull=False)
    closed: dict[int, Any] = dict(found.values_list("pk", "closed_at"))
    sent.filter(edge_id__in=list(closed)).update(gone_at=now)
    return [
        Alert(subscriber=subscriber, topic=AlertTopic.GONE, edge_id=pk, happened_at=at)
        for pk, at in closed.items()
    ]


def standing_among(edge_ids: Sequence[int], rules: Rules) -> dict[int, JudgedEdge]:
    """Return those among some edges that stand, are in no doubt, and are of the right time."""
    return {
        pk: judged
        for pk, judged in vouching.open_among(edge_ids).items()
        if not judged.is_doubtful and rules.timing.accepts(is_in_play=judged.is_in_play)
    }


def facts_of(edge: Edge) -> EdgeFacts:
    """Return what rules judge of an edge that has its related rows."""
    event = edge.market.event
    return EdgeFacts(
        sport=event.sport.key,
        bookmaker=edge.quote.bookmaker.key,
        ev=edge.ev,
        books=edge.books,
        starts_at=event.commence_time,
    )


def with_bets(edge_ids: Iterable[int]) -> dict[int, Edge]:
    """Return edges by id, each with the rows that name its bet, in one statement."""
    edges: QuerySet[Edge] = vouching.unjudged_edges()
    return edges.select_related("quote", "market", *OF_QUOTE.related).in_bulk(list(edge_ids))
