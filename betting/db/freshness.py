"""The freshness of quotes at the time of reading: their last confirmation, and if it is too old.

Code that shows prices uses these expressions and not only the status that a writer stored: prices
also become too old while no worker quarantines or values them. All readers share the same
expression, by the database's clock.
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
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Coalesce, Greatest, JSONObject, Now
from django.db.models.lookups import GreaterThan, LessThan

from betting.models import (
    Clock,
    FeedBookmaker,
    Quote,
    QuoteStatus,
    RivalQuote,
)


def with_freshness(quotes: QuerySet[Quote]) -> QuerySet[Quote]:
    """Return the quotes with `confirmed_at` and `is_stale`."""
    annotated: QuerySet[Quote] = quotes.annotate(confirmed_at=confirmed_at(), is_stale=is_stale())
    return annotated


def trusted_quotes() -> QuerySet[Quote]:
    """Return the quotes that can be bet on at the time of reading: active, and not stale."""
    found: QuerySet[Quote] = (
        Quote.objects.filter(status=QuoteStatus.ACTIVE)
        .alias(is_stale=is_stale())
        .filter(is_stale=False)
    )
    return found


def with_disputes(quotes: QuerySet[Quote]) -> QuerySet[Quote]:
    """Return the quotes with `disputed_by`: the different prices of other providers, oldest first.

    It is a list of ``{"provider": key, "price": decimal odds, "confirmed_at": ISO 8601}``.
    """
    said = JSONObject(provider="feed__provider__key", price="price", confirmed_at="confirmed_at")
    annotated: QuerySet[Quote] = quotes.annotate(disputed_by=disputed_by(said))
    return annotated


def disputed_by(said: Combinable) -> ArraySubquery:
    """Return an expression of each of a quote's `disputes`, as an array, oldest row first."""
    return ArraySubquery(disputes().filter(quote=OuterRef("pk")).order_by("id").values(said=said))


def is_disputed() -> Exists:
    """Return the condition that another provider says a different price of a quote now."""
    return Exists(disputes().filter(quote=OuterRef("pk")))


def disputes() -> QuerySet[RivalQuote]:
    """Return the rivals that dispute an active quote's price now, with `confirmed_at`.

    A rival whose feed can no longer be trusted at the time of reading does not count.
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
    """Return when the provider last looked at a quote: at its market, its bookmaker or its feed.

    Args:
        quote: the path to a row's quote with `__`, or empty.
        bookmaker: the path to the bookmaker, where the quote itself has none.
    """
    book = _book(quote, bookmaker)
    return Coalesce(
        Subquery(book.values(looked_at=_looked_at(quote))), F(f"{quote}feed__observed_at")
    )


def polls(quote: str = "") -> Combinable:
    """Return how many polls are known to have seen a quote's price, `MAX_POLLS` at most.

    The first brought it. Each complete answer in which the provider had looked at the bookmaker
    again is another one. Where these are not counted, for a market that lags behind and for a feed
    whose answers are changes alone, a price that was confirmed later counts as seen twice.

    Args:
        quote: the path to a row's quote with `__`, or empty.
    """
    later = _Later(F("polled_ats"), OuterRef(f"{quote}changed_at"))
    counted = _book(quote, "").annotate(place=_place(quote)).filter(place__isnull=True)
    priced_at = Coalesce(F(f"{quote}source_at"), F(f"{quote}changed_at"))
    is_seen_again = Q(GreaterThan(confirmed_at(quote), priced_at))
    return Greatest(
        Coalesce(Subquery(counted.values(polls=later + 1)), 1),
        Case(When(is_seen_again, then=2), default=1, output_field=IntegerField()),
        output_field=IntegerField(),
    )


def is_stale(quote: str = "", bookmaker: str = "") -> ExpressionWrapper[Q]:
    """Return the condition that a quote must not be trusted any more, independent of its status.

    Such a quote was not confirmed within its bookmaker's limit, was declared too old, or was
    admitted before its provider's circuit opened. A recording's clock passes with its answers
    alone: its quotes are as old as they were when their market last changed.

    Args:
        quote: the path to a row's quote with `__`, or empty.
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
    """Return when a quote becomes too old: -infinity for one that was declared too old."""
    by_book = Case(
        When(
            IsOneOf(OuterRef(f"{quote}market"), F("stale_markets")),
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


def _book(quote: str, bookmaker: str) -> QuerySet[FeedBookmaker]:
    """Return the row of a quote's bookmaker within its feed."""
    return FeedBookmaker.objects.filter(
        feed=OuterRef(f"{quote}feed"), bookmaker=OuterRef(bookmaker or f"{quote}bookmaker")
    ).order_by()


def _looked_at(quote: str) -> Combinable:
    """Return the time of the quote's market if that lags behind, else the bookmaker's."""
    return Coalesce(_Element(F("lagging_ats"), _place(quote)), F("confirmed_at"))


def _place(quote: str) -> Func:
    """Return the place of the quote's market among those that lag behind; null if it does not."""
    return Func(
        F("lagging_markets"),
        OuterRef(f"{quote}market"),
        function="array_position",
        output_field=IntegerField(),
    )


class _Element(Func):
    """An element of an array, null if there is none: ``array[position]``."""

    template = "(%(expressions)s])"
    arg_joiner = "["
    output_field = DateTimeField()


class _Later(Func):
    """The number of times in an array that are later than one."""

    template = "(SELECT count(*) FROM unnest(%(expressions)s)"
    arg_joiner = ") AS each (at) WHERE each.at > "
    output_field = IntegerField()


class IsOneOf(Func):
    """The condition that a value is in an array: ``value = ANY (array)``."""

    template = "(%(expressions)s))"
    arg_joiner = " = ANY ("
    output_field = BooleanField()
