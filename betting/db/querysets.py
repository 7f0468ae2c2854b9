"""Questions to the domain that more than one caller asks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from betting.db.freshness import confirmed_at
from betting.models import LineChange, ParticipantAlias, Quote
from streaming.core.known_names import known_aliases


def series_history(quote: Quote) -> QuerySet[LineChange]:
    """The changes of a quote's line, newest first, over all the points it moved through.

    Another point is another quote, so a line that moves from −3.5 to −4 and back is followed by
    its market, bookmaker, side and outcome name.
    """
    # Ordered by arrival first: by id alone PostgreSQL may prefer to read the whole table
    # backwards to reading this line's changes by their quotes.
    return (
        LineChange.objects.filter(quote__in=series(quote))
        .select_related("quote__outcome")
        .order_by("-received_at", "-id")
    )


def series(quote: Quote) -> QuerySet[Quote]:
    """A quote at all the points that its line has moved through."""
    return Quote.objects.filter(
        market_id=quote.market_id,
        bookmaker_id=quote.bookmaker_id,
        side=quote.side,
        outcome__name=quote.outcome.name,
    )


def changes_of(quotes: QuerySet[Quote]) -> QuerySet[LineChange]:
    """The changes of some quotes, with `arrival`, which pages are made by.

    An expression, not the id itself: by that PostgreSQL may prefer to read the whole table
    backwards to reading these changes by their quotes.
    """
    return LineChange.objects.filter(quote__in=quotes).annotate(arrival=F("id") + 0)


def confirmed_within(rows: QuerySet[Any], seconds: float, quote: str) -> QuerySet[Any]:
    """The rows whose quote has been confirmed lately.

    Args:
        rows: which.
        seconds: since then, by the database's clock.
        quote: the path to a row's quote with its dunder, or empty.
    """
    lately: QuerySet[Any] = rows.alias(confirmed=confirmed_at(quote)).filter(
        confirmed__gte=Now() - timedelta(seconds=seconds)
    )
    return lately


def participant_aliases(family: str) -> dict[str, str]:
    """What names stand for in a family of sports: normalised name → normalised name.

    What an operator has entered, over what is shipped.
    """
    entered = ParticipantAlias.objects.filter(family=family)
    return {**known_aliases(family), **dict(entered.order_by().values_list("name", "canonical"))}
