"""Taking a provider out, with everything that only it has said."""

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
from valuation.models import Edge


def holdings(provider: Provider) -> Mapping[str, int]:
    """What goes with a provider: rows by what they are."""
    return {
        "feeds": Feed.objects.filter(provider=provider).count(),
        "quotes": _quotes(provider).count(),
        "line changes": LineChange.objects.filter(quote__feed__provider=provider).count(),
        "edges": Edge.objects.filter(quote__feed__provider=provider).count(),
        "events no other provider knows": _own_events(provider).count(),
        "poll runs": PollRun.objects.filter(provider=provider).count(),
    }


def remove(provider: Provider) -> None:
    """Delete a provider, and have the markets it shared with others valued anew.

    One transaction. Ingests of its sports wait for it, and it for them: an answer that arrives
    later finds no provider to belong to.
    """
    with transaction.atomic():
        for family in _families(provider):
            lock_family(family)
        # Before all else: no recompute opens an edge on what goes from here on.
        _make_stale(_markets(provider))
        # Leaves first and by one statement each: the rest cascades row by row.
        Edge.objects.filter(quote__feed__provider=provider).delete()
        LineChange.objects.filter(quote__feed__provider=provider).delete()
        _rivals(provider).delete()
        execute(_DELETE_QUOTES, {"provider": provider.pk})
        erase_events(list(_own_events(provider).values_list("pk", flat=True)))
        provider.delete()


# Django would fetch the quotes to delete them, for what refers to them.
_DELETE_QUOTES = """
DELETE FROM betting_quote
WHERE feed_id IN (SELECT id FROM betting_feed WHERE provider_id = %(provider)s)
"""


def _quotes(provider: Provider) -> QuerySet[Quote]:
    return Quote.objects.filter(feed__provider=provider)


def _rivals(provider: Provider) -> QuerySet[RivalQuote]:
    """Return what it says of others' quotes, and others of its own."""
    return RivalQuote.objects.filter(Q(feed__provider=provider) | Q(quote__feed__provider=provider))


def _markets(provider: Provider) -> QuerySet[Market]:
    """All that it quotes or disputes, and all of its own."""
    quoted = Q(pk__in=_quotes(provider).values("market"))
    disputed = Q(pk__in=_rivals(provider).values("market"))
    return Market.objects.filter(quoted | disputed | Q(event__in=_own_events(provider)))


def _own_events(provider: Provider) -> QuerySet[Event]:
    known = EventAlias.objects.filter(event=OuterRef("pk"))
    return Event.objects.filter(
        Exists(known.filter(provider=provider)), ~Exists(known.exclude(provider=provider))
    )


def _families(provider: Provider) -> list[str]:
    """In the order in which every holder of several locks takes them."""
    sports = Sport.objects.filter(event__aliases__provider=provider)
    keys = sports.order_by().values_list("key", flat=True).distinct()
    return sorted({sport_family(key) for key in keys}, key=lock_number)


def _make_stale(markets: QuerySet[Market]) -> None:
    """Raise versions; the sweeper finds the markets."""
    # In id order, as every writer of markets locks them.
    locked = Market.objects.filter(pk__in=markets).order_by("pk").select_for_update(no_key=True)
    Market.objects.filter(pk__in=list(locked.values_list("pk", flat=True))).update(
        dirty_at=Case(When(version=F("valued_version"), then=Now()), default=F("dirty_at")),
        version=F("version") + 1,
    )
