"""Queries of the domain that have more than one caller."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from betting.db.freshness import confirmed_at
from betting.models import LineChange, ParticipantAlias, Quote
from streaming.core.known_names import known_aliases


def series_history(quote: Quote) -> QuerySet[LineChange]:
    """Return the changes of a quote's line over all its points, newest first.

    Another point is another quote, so a line that moves from −3.5 to −4 and back is followed by
    its market, bookmaker, side and outcome name.
    """
    # Order by arrival first: by id alone, PostgreSQL may read the whole table backwards instead of
    # reading this line's changes by their quotes.
    return (
        LineChange.objects.filter(quote__in=series(quote))
        .select_related("quote__outcome")
        .order_by("-received_at", "-id")
    )


def series(quote: Quote) -> QuerySet[Quote]:
    """Return the quotes of a quote's line: one at each point that it has moved through."""
    return Quote.objects.filter(
        market_id=quote.market_id,
        bookmaker_id=quote.bookmaker_id,
        side=quote.side,
        outcome__name=quote.outcome.name,
    )


def changes_of(quotes: QuerySet[Quote]) -> QuerySet[LineChange]:
    """Return the changes of some quotes with `arrival`, by which pages are ordered.

    It is an expression, not the id itself: ordered by id, PostgreSQL may read the whole table
    backwards instead of reading these changes by their quotes.
    """
    return LineChange.objects.filter(quote__in=quotes).annotate(arrival=F("id") + 0)


def confirmed_within(rows: QuerySet[Any], seconds: float, quote: str) -> QuerySet[Any]:
    """Return the rows whose quote was confirmed within the last `seconds`.

    Args:
        rows: the rows to filter.
        seconds: the longest time since the confirmation, by the database's clock.
        quote: the path to a row's quote with its dunder, or empty.
    """
    lately: QuerySet[Any] = rows.alias(confirmed=confirmed_at(quote)).filter(
        confirmed__gte=Now() - timedelta(seconds=seconds)
    )
    return lately


def participant_aliases(family: str) -> dict[str, str]:
    """Return the aliases of a family of sports: normalised name → canonical normalised name.

    Aliases that an operator has entered override the shipped ones.
    """
    entered = ParticipantAlias.objects.filter(family=family)
    return {**known_aliases(family), **dict(entered.order_by().values_list("name", "canonical"))}
