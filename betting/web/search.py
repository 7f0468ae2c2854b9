"""The admin's command palette: it finds events by their teams, and players' markets."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Case, Q, QuerySet, When
from django.http import HttpRequest
from django.urls import reverse
from unfold.dataclasses import SearchResult

from betting import words
from betting.models import Event, EventStatus, Market

MAX_FOUND = 12
"""The most events, and the most markets of players, that are found: nobody reads more."""


def found(request: HttpRequest, term: str) -> list[SearchResult]:
    """Return events and players' markets for a search; what has ended comes last.

    Args:
        request: of the user, who finds what they may view.
        term: a part of a name.
    """
    user = request.user
    results = list(_events(term)) if user.has_perm("betting.view_event") else []
    if user.has_perm("betting.view_market"):
        results += _markets(term)
    return results


def _events(term: str) -> Iterator[SearchResult]:
    named = Q(home__icontains=term) | Q(away__icontains=term)
    events = Event.objects.filter(named).select_related("sport")
    has_ended = Case(When(status=EventStatus.ENDED, then=1), default=0)
    for event in events.order_by(has_ended, "commence_time", "id")[:MAX_FOUND]:
        start = f"{event.commence_time:%Y-%m-%d %H:%M}"
        yield SearchResult(
            title=words.event_title(event),
            description=f"{event.sport.title}, {event.get_status_display()}, {start}",
            link=reverse("admin:betting_event_change", args=[event.pk]),
            icon="event",
        )


def _markets(term: str) -> Iterator[SearchResult]:
    markets: QuerySet[Market] = (
        Market.objects.filter(participant__icontains=term)
        .exclude(event__status=EventStatus.ENDED)
        .select_related("event__sport")
        .order_by("event__commence_time", "participant", "id")
    )
    for market in markets[:MAX_FOUND]:
        title = words.market_title(market, market.event.sport.key)
        yield SearchResult(
            title=f"{market.participant}: {title}",
            description=words.event_title(market.event),
            link=reverse("admin:betting_market_change", args=[market.pk]),
            icon="person",
        )
