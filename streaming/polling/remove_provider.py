"""Removing a provider, with everything that it alone has said."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, When
from django.db.models.functions import Now

from betting.db.sql import execute
from betting.models import (
    Event,
    EventAlias,
    Feed,
    LineChange,
    Market,
    Provider,
    Quote,
    RivalQuote,
    Sport,
)
from streaming.core.participants import sport_family
from streaming.ingest.locks import lock_family, lock_number
from streaming.models import PollRun
from streaming.retention.delete_events import erase_events
from valuation.models import ClosingQuote, Edge, EdgeClosing, Opportunity
from valuation.vouching import legs


def holdings(provider: Provider) -> Mapping[str, int]:
    """Return how many rows of each kind are deleted with a provider."""
    return {
        "feeds": Feed.objects.filter(provider=provider).count(),
        "quotes": _quotes(provider).count(),
        "line changes": LineChange.objects.filter(quote__feed__provider=provider).count(),
        "edges": Edge.objects.filter(quote__feed__provider=provider).count(),
        "opportunities": _opportunities(provider).count(),
        "events no other provider knows": _own_events(provider).count(),
        "poll runs": PollRun.objects.filter(provider=provider).count(),
    }


def remove(provider: Provider) -> None:
    """Delete a provider, and have the markets that it shared with others valued again.

    One transaction, which waits for running ingests of its sports, as later ones wait for it: an
    answer that arrives then finds its provider gone.
    """
    with transaction.atomic():
        for family in _families(provider):
            lock_family(family)
        # Before the deletions: no recompute may open an edge on a quote that is about to go.
        _make_stale(_markets(provider))
        _keep_from_closing(provider)
        # Leaves first, by one statement each: Django would cascade over the rest row by row.
        _opportunities(provider).delete()
        EdgeClosing.objects.filter(edge__quote__feed__provider=provider).delete()
        Edge.objects.filter(quote__feed__provider=provider).delete()
        ClosingQuote.objects.filter(quote__feed__provider=provider).delete()
        LineChange.objects.filter(quote__feed__provider=provider).delete()
        _rivals(provider).delete()
        execute(_DELETE_QUOTES, {"provider": provider.pk})
        erase_events(list(_own_events(provider).values_list("pk", flat=True)))
        provider.delete()


# Plain SQL: Django would fetch the quotes to delete them, because other rows refer to them.
_DELETE_QUOTES = """
DELETE FROM betting_quote
WHERE feed_id IN (SELECT id FROM betting_feed WHERE provider_id = %(provider)s)
"""


def _quotes(provider: Provider) -> QuerySet[Quote]:
    return Quote.objects.filter(feed__provider=provider)


def _opportunities(provider: Provider) -> QuerySet[Opportunity]:
    """Return the opportunities with a leg at the provider: without it they say nothing."""
    lost = legs().filter(feed__provider=provider)
    return Opportunity.objects.filter(Exists(lost), market__in=_quotes(provider).values("market"))


def _rivals(provider: Provider) -> QuerySet[RivalQuote]:
    """Return the rival quotes from the provider, and those of other feeds about its quotes."""
    return RivalQuote.objects.filter(Q(feed__provider=provider) | Q(quote__feed__provider=provider))


def _markets(provider: Provider) -> QuerySet[Market]:
    """Return the markets that the provider quotes or disputes, and those of its own events."""
    quoted = Q(pk__in=_quotes(provider).values("market"))
    disputed = Q(pk__in=_rivals(provider).values("market"))
    return Market.objects.filter(quoted | disputed | Q(event__in=_own_events(provider)))


def _own_events(provider: Provider) -> QuerySet[Event]:
    known = EventAlias.objects.filter(event=OuterRef("pk"))
    return Event.objects.filter(
        Exists(known.filter(provider=provider)), ~Exists(known.exclude(provider=provider))
    )


def _families(provider: Provider) -> list[str]:
    """Return the families of the provider's events, in the order in which their locks are taken."""
    sports = Sport.objects.filter(event__aliases__provider=provider)
    keys = sports.order_by().values_list("key", flat=True).distinct()
    return sorted({sport_family(key) for key in keys}, key=lock_number)


def _keep_from_closing(provider: Provider) -> None:
    """Lock the events that the provider quotes: none gets closing prices of quotes that go."""
    events = Event.objects.filter(pk__in=_quotes(provider).values("market__event"))
    list(events.order_by("pk").select_for_update(no_key=True).values_list("pk"))


def _make_stale(markets: QuerySet[Market]) -> None:
    """Raise the versions of the markets, so that the sweeper finds them."""
    # In id order, as every writer of markets locks them.
    locked = Market.objects.filter(pk__in=markets).order_by("pk").select_for_update(no_key=True)
    Market.objects.filter(pk__in=list(locked.values_list("pk", flat=True))).update(
        dirty_at=Case(When(version=F("valued_version"), then=Now()), default=F("dirty_at")),
        version=F("version") + 1,
    )
