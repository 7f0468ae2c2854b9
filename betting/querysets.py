"""Questions to the domain that more than one caller asks."""

from __future__ import annotations

from django.db.models import QuerySet

from betting.models import LineChange, ParticipantAlias, Quote


def series_history(quote: Quote) -> QuerySet[LineChange]:
    """The changes of a quote's line, newest first, over all the points it moved through.

    Another point is another quote, so a line that moves from −3.5 to −4 and back is followed by
    its market, bookmaker, side and outcome name.
    """
    series = Quote.objects.filter(
        market_id=quote.market_id,
        bookmaker_id=quote.bookmaker_id,
        side=quote.side,
        outcome__name=quote.outcome.name,
    )
    # Ordered by arrival first: by id alone PostgreSQL may prefer to read the whole table
    # backwards to reading this line's changes by their quotes.
    return (
        LineChange.objects.filter(quote__in=series)
        .select_related("quote__outcome")
        .order_by("-received_at", "-id")
    )


def participant_aliases(family: str) -> dict[str, str]:
    """What names stand for in a family of sports: normalised name → normalised name."""
    aliases = ParticipantAlias.objects.filter(family=family)
    return dict(aliases.order_by().values_list("name", "canonical"))
