"""When a quote was last confirmed, and whether it can still be trusted, as of the reader's moment.

Whoever shows prices asks this, and not only what a writer has left: when nobody quarantines or
values any more, prices grow old all the same. One expression for all, by the database's clock.
"""

from __future__ import annotations

from datetime import timedelta

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import (
    BooleanField,
    Case,
    DateTimeField,
    Exists,
    ExpressionWrapper,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Coalesce, JSONObject, Now
from django.db.models.lookups import LessThan

from betting.models import Clock, FeedBook, Quote, QuoteStatus, RivalQuote


def with_freshness(quotes: QuerySet[Quote]) -> QuerySet[Quote]:
    """The quotes with `confirmed_at` and `is_stale`."""
    annotated: QuerySet[Quote] = quotes.annotate(confirmed_at=confirmed_at(), is_stale=is_stale())
    return annotated


def with_disputes(quotes: QuerySet[Quote]) -> QuerySet[Quote]:
    """The quotes with `disputed_by`: what other providers say otherwise of each, oldest row first.

    A list of ``{"provider": key, "price": decimal odds, "confirmed_at": ISO 8601}``.
    """
    said = (
        disputes()
        .filter(quote=OuterRef("pk"))
        .order_by("id")
        .values(
            said=JSONObject(
                provider="feed__provider__key", price="price", confirmed_at="confirmed_at"
            )
        )
    )
    annotated: QuerySet[Quote] = quotes.annotate(disputed_by=ArraySubquery(said))
    return annotated


def is_disputed() -> Exists:
    """Whether another provider says otherwise of a quote now."""
    return Exists(disputes().filter(quote=OuterRef("pk")))


def disputes() -> QuerySet[RivalQuote]:
    """The prices of active quotes that another provider says otherwise now, with `confirmed_at`.

    A rival whose feed is not to be trusted any more, whatever a writer has left, does not count.
    """
    found: QuerySet[RivalQuote] = (
        RivalQuote.objects.annotate(confirmed_at=confirmed_at(bookmaker="quote__bookmaker"))
        .alias(is_stale=is_stale(bookmaker="quote__bookmaker"))
        .filter(is_stale=False, quote__status=QuoteStatus.ACTIVE)
        .exclude(price=F("quote__price"))
        .exclude(feed__provider=F("quote__feed__provider"))
    )
    return found


def confirmed_at(quote: str = "", bookmaker: str = "") -> Combinable:
    """When the provider last looked at a quote: at its market, its bookmaker, or its feed.

    Args:
        quote: the path to a row's quote with its dunder, or empty.
        bookmaker: the path to the bookmaker, where the quote itself has none.
    """
    book = _book(quote, bookmaker)
    return Coalesce(
        Subquery(book.values(looked_at=_looked_at(quote))), F(f"{quote}feed__observed_at")
    )


def is_stale(quote: str = "", bookmaker: str = "") -> ExpressionWrapper[Q]:
    """Whether a quote must not be trusted any more, whatever its status says.

    That is one that has not been confirmed for its bookmaker's limit, that has been declared too
    old, or that was admitted before its provider's circuit opened. A recording's time does not
    pass: its quotes are as old as they were when their market last changed.

    Args:
        quote: the path to a row's quote with its dunder, or empty.
        bookmaker: the path to the bookmaker, where the quote itself has none.
    """
    provider = f"{quote}feed__provider"
    now = Case(
        When(
            **{f"{provider}__clock": Clock.RECORDED},
            then=Coalesce(F(f"{quote}market__changed_at"), F(f"{quote}feed__observed_at")),
        ),
        default=Now(),
    )
    return ExpressionWrapper(
        Q(LessThan(_trusted_until(quote, bookmaker), now))
        | Q(**{f"{quote}feed__generation__lt": F(f"{provider}__generation")}),
        output_field=BooleanField(),
    )


def _trusted_until(quote: str, bookmaker: str) -> Combinable:
    """When a quote becomes too old; long ago for one that has been declared so."""
    by_book = Case(
        When(
            _IsOneOf(OuterRef(f"{quote}market"), F("stale_markets")),
            then=Cast(Value("-infinity"), DateTimeField()),
        ),
        default=_looked_at(quote) + (F("expires_at") - F("confirmed_at")),
        output_field=DateTimeField(),
    )
    seconds = F(f"{quote}feed__provider__stale_after_seconds")
    by_feed = F(f"{quote}feed__observed_at") + seconds * Value(timedelta(seconds=1))
    return Coalesce(
        Subquery(_book(quote, bookmaker).values(until=by_book)),
        ExpressionWrapper(by_feed, output_field=DateTimeField()),
    )


def _book(quote: str, bookmaker: str) -> QuerySet[FeedBook]:
    """What is known of the bookmaker within the feed that a quote belongs to."""
    return FeedBook.objects.filter(
        feed=OuterRef(f"{quote}feed"), bookmaker=OuterRef(bookmaker or f"{quote}bookmaker")
    ).order_by()


def _looked_at(quote: str) -> Combinable:
    """The time of the quote's market where that lags behind, the bookmaker's own else."""
    place = Func(F("lagging_markets"), OuterRef(f"{quote}market"), function="array_position")
    return Coalesce(_Element(F("lagging_ats"), place), F("confirmed_at"))


class _Element(Func):
    """An element of an array, null where there is none: ``array[position]``."""

    template = "(%(expressions)s])"
    arg_joiner = "["
    output_field = DateTimeField()


class _IsOneOf(Func):
    """Whether a value is in an array: ``value = ANY (array)``."""

    template = "(%(expressions)s))"
    arg_joiner = " = ANY ("
    output_field = BooleanField()
