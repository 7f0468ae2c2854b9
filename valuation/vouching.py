"""Values as they may be shown now: those without confirmed quotes are marked stale.

Recomputes keep fair prices, edges and opportunities up to date. If they stop, the rows stay, but
the bookmakers' quotes that they rest on are no longer confirmed. Every reader uses these querysets,
which judge by the database's clock, and none the tables themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import (
    BooleanField,
    Case,
    Exists,
    ExpressionWrapper,
    F,
    Func,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Now
from django.db.models.lookups import LessThan

from betting.config import get_config
from betting.db.compiled import Compiled, is_among_ids
from betting.db.freshness import IsOneOf, confirmed_at, is_stale, polls
from betting.db.price_groups import is_of_group, one_of_each
from betting.db.weights import weight_on_market
from betting.models import Clock, EventStatus, Quote, QuoteStatus, Side
from valuation.models import (
    DOUBTFUL,
    IN_PLAY,
    UNCONFIRMED,
    UNVALUED,
    Edge,
    FairPrice,
    FairPriceState,
    Opportunity,
    Revaluation,
)
from valuation.policy import ValuationPolicy

UNVALUED_SECONDS = 30.0
"""The rows of a market that has waited this long for its valuation no longer hold."""

OPEN = Q(closed_at__isnull=True, is_stale=False)
STALE = Q(closed_at__isnull=True, is_stale=True)
CLOSED = Q(closed_at__isnull=False)
LISTED = Q(is_in_play=False, is_doubtful=False)
"""The conditions of an edge's states, and of the default list, for a queryset of `edges`.

Those of the states are also an opportunity's.
"""

MAY_BE_IN_PLAY = (
    Q(market__event__commence_time__lte=Now())
    | Q(market__changed_at__gte=F("market__event__commence_time"))
    | Q(market__event__status=EventStatus.LIVE)
)
"""Wider than `is_in_play`, which asks for more, and costs little to judge."""

EDGE_STATES = {"open": OPEN, "stale": STALE, "closed": CLOSED}
"""The states by the names that users choose."""

PRICED = {
    FairPriceState.OK.value: Q(state=FairPriceState.OK, is_stale=False),
    FairPriceState.NONE.value: Q(state=FairPriceState.NONE) | Q(is_stale=True),
}
"""The conditions of a fair price's states, for a queryset of `fair_prices`.

They use the stored field: for `CURRENT` PostgreSQL expects next to no row, and judges them all
before it takes a page.
"""

CURRENT: Mapping[str, Combinable] = {
    "state": Case(When(is_stale=True, then=Value(FairPriceState.NONE.value)), default=F("state")),
    "reason": Case(
        When(is_stale=True, is_unvalued=True, then=Value(UNVALUED)),
        When(is_stale=True, then=Value(UNCONFIRMED)),
        default=F("reason"),
        output_field=TextField(),
    ),
    "probability": Case(When(is_stale=False, then=F("probability"))),
    "fair_odds": Case(When(is_stale=False, then=1.0 / F("probability"))),
}
"""What may be shown of a row of `fair_prices`, for statements that sort by it or read no models.

Each judges the row once more. A row that was read has it as `current_state` and so on, at no cost.
"""


def fair_prices() -> QuerySet[Any]:
    """Return all fair prices, each with what may be shown of it.

    A fair price holds while at least as many bookmakers with a weight as the policy's `min_books`
    back its outcome and are confirmed. Added fields:

    - `confirmed_at`: when the last of so many was, the most recent ones counted.
    - `is_unvalued`: whether its market waits too long for a valuation.
    - `is_stale`: whether there is a fair price that no longer holds.

    By them the rows' `current_state`, `current_reason`, `current_probability` and
    `current_fair_odds` are as stored; of a stale one, that there is none and why.
    """
    return _fair_prices(get_config().valuation).all()


# To write these conditions takes Django milliseconds, which every reader would pay.
@lru_cache(maxsize=4)
def _fair_prices(policy: ValuationPolicy) -> QuerySet[Any]:
    """Return them by the policy in force, which is also the key."""
    enough = policy.needed_books
    voices = _voices("outcome")
    is_unvalued = _is_unvalued()
    is_unconfirmed = ~Q(Exists(voices.filter(is_stale=False)[enough - 1 : enough]))
    is_ok = Q(state=FairPriceState.OK)
    rows: QuerySet[Any] = FairPrice.objects.all()
    annotated: QuerySet[Any] = rows.annotate(
        confirmed_at=_nth_confirmation(voices, enough),
        is_unvalued=is_unvalued,
        is_stale=_boolean(is_ok & (Q(is_unvalued) | is_unconfirmed)),
    )
    return annotated


def fair_prices_of(market_id: int) -> list[FairPrice]:
    """Return what may be shown of a market's fair prices, in one statement.

    Args:
        market_id: the market.

    Returns:
        Its rows of `fair_prices`, of which no other values are read.
    """
    found = []
    for values in _fair_prices_of_markets(get_config().valuation).rows([market_id]):
        outcome_id, state, reason, probability, is_unvalued, is_stale = values
        price = FairPrice(
            outcome_id=outcome_id, state=state, reason=reason, probability=probability
        )
        price.is_unvalued, price.is_stale = is_unvalued, is_stale
        found.append(price)
    return found


@lru_cache(maxsize=4)
def _fair_prices_of_markets(policy: ValuationPolicy) -> Compiled:
    found = _fair_prices(policy).filter(is_among_ids("market_id")).order_by()
    columns = ("outcome_id", "state", "reason", "probability", "is_unvalued", "is_stale")
    return Compiled(found.values_list(*columns))


def edges() -> QuerySet[Any]:
    """Return all edges, each with whether it still stands.

    Added fields:

    - `confirmed_at`: when its quote was last confirmed.
    - `is_in_play`: whether its event has started; of a closed one whether it had, when it was last
      valued.
    - `is_doubtful`: whether it is probably a mistake: an outlier's own price, too good, or no edge
      at the price that another provider has of the same bookmaker.
    - `is_stale`: whether it is open and must not be taken: its quote is not active, or not
      confirmed, in play not within the policy's `in_play_seconds`; too few of the other bookmakers
      are; or its market waits for its valuation.
    - `current_advised`: as stored; of one that is stale, or in play without `in_play_advice`,
      nothing.
    """
    return _edges(get_config().valuation).all()


@lru_cache(maxsize=4)
def _edges(policy: ValuationPolicy) -> QuerySet[Any]:
    """Return them by the policy in force, which is also the key."""
    enough = policy.needed_books
    others = _voices("quote__outcome").exclude(is_of_group("quote__bookmaker"))
    is_lost = (
        ~Q(quote__status=QuoteStatus.ACTIVE)
        | Q(is_stale("quote__"))
        | Q(_is_unvalued())
        | Q(is_too_old_in_play("quote__"))
        | ~Q(Exists(others.filter(is_stale=False)[enough - 1 : enough]))
    )
    annotated: QuerySet[Any] = Edge.objects.annotate(
        confirmed_at=confirmed_at("quote__"),
        is_in_play=Case(
            When(closed_at__isnull=False, then=_boolean(Q(warnings__contains=[IN_PLAY]))),
            default=is_in_play("quote__"),
        ),
        is_doubtful=_boolean(Q(warnings__overlap=DOUBTFUL)),
        is_stale=_boolean(Q(closed_at__isnull=True) & is_lost),
    )
    not_advised = STALE if policy.in_play_advice else STALE | OPEN & Q(is_in_play=True)
    advised: QuerySet[Any] = annotated.annotate(
        current_advised=Case(When(not_advised, then=Value(0.0)), default=F("advised"))
    )
    return advised


def unjudged_edges() -> QuerySet[Edge]:
    """Return all edges as stored: what is shown of one, `open_among` or `closed_among` decides."""
    return Edge.objects.all()


@dataclass(frozen=True, slots=True)
class JudgedEdge:
    """The values of `edges` of one edge.

    Attributes:
        confirmed_at, is_in_play, is_doubtful, current_advised, is_stale: as there.
        polls: how many are known to have seen its price.
        is_closed: whether it was, when it was judged.
    """

    confirmed_at: datetime
    is_in_play: bool
    is_doubtful: bool
    current_advised: float
    polls: int
    is_stale: bool
    is_closed: bool


def open_among(edge_ids: Sequence[int]) -> dict[int, JudgedEdge]:
    """Return, by id, those among some edges that are open and not stale, in one statement."""
    return judged_among(edge_ids, "open")


def closed_among(edge_ids: Sequence[int]) -> dict[int, JudgedEdge]:
    """Return, by id, those among some edges that are closed, in one statement."""
    return judged_among(edge_ids, "closed")


def judged_among(edge_ids: Sequence[int], state: str) -> dict[int, JudgedEdge]:
    """Return, by id, those among some edges that are in a state, in one statement.

    Args:
        edge_ids: the edges.
        state: one of `EDGE_STATES`, or "all".
    """
    if not edge_ids:
        return {}
    rows = _judgement(get_config().valuation, state).rows(edge_ids)
    return {pk: JudgedEdge(*values) for pk, *values in rows}


def with_judgement(rows: Iterable[Any], judged: Mapping[int, JudgedEdge]) -> list[Any]:
    """Return edges with what `edges` adds to them, and `polls`, as it was judged.

    Args:
        rows: of `unjudged_edges`.
        judged: what was judged of each, by id.
    """
    found = list(rows)
    for edge in found:
        of = judged[edge.pk]
        edge.confirmed_at, edge.is_in_play = of.confirmed_at, of.is_in_play
        edge.is_doubtful, edge.is_stale = of.is_doubtful, of.is_stale
        edge.polls = of.polls
        # It may have been valued again since it was judged: the smaller stake is the safe one.
        edge.current_advised = min(of.current_advised, edge.advised)
    return found


@lru_cache(maxsize=12)
def _judgement(policy: ValuationPolicy, state: str) -> Compiled:
    found = _edges(policy).filter(EDGE_STATES.get(state, Q()), is_among_ids("pk")).order_by()
    advised: Combinable = F("current_advised")
    stale: Combinable = F("is_stale")
    if state != "all":
        # Those of `edges` would ask again whether the edge is stale.
        advised, stale = F("advised"), Value(state == "stale")
    if state == "stale":
        advised = Value(0.0)
    elif state == "open" and not policy.in_play_advice:
        advised = Case(When(is_in_play=True, then=Value(0.0)), default=advised)
    return Compiled(
        found.values_list(
            *("pk", "confirmed_at", "is_in_play", "is_doubtful", advised, polls("quote__")),
            *(stale, _boolean(CLOSED)),
        )
    )


def count_open(limit: int) -> int:
    """Count the edges that are open and not stale, up to a limit."""
    # Without an order PostgreSQL stops as soon as it has counted that many.
    return len(_all_open(get_config().valuation, limit).rows())


@lru_cache(maxsize=8)
def _all_open(policy: ValuationPolicy, limit: int) -> Compiled:
    return Compiled(_edges(policy).filter(OPEN).order_by().values_list("pk")[:limit])


def opportunities() -> QuerySet[Any]:
    """Return all opportunities, each with whether it still stands.

    Added fields:

    - `confirmed_at`: when the leg was last confirmed that was confirmed the longest ago.
    - `is_in_play`: whether its event has started; of a closed one whether it had, when it was last
      valued.
    - `is_stale`: whether it is open and must not be taken: a leg is not active, or not confirmed,
      in play not within the policy's `in_play_seconds`; or its market waits for its valuation.
    """
    return _opportunities(get_config().valuation).all()


@lru_cache(maxsize=4)
def _opportunities(_policy: ValuationPolicy) -> QuerySet[Any]:
    """Return them by the policy in force, which is the key."""
    confirmed = legs().annotate(confirmed=confirmed_at()).order_by("confirmed")
    lost = legs().filter(~Q(status=QuoteStatus.ACTIVE) | Q(is_stale()) | Q(is_too_old_in_play()))
    is_lost = Q(Exists(lost)) | Q(_is_unvalued())
    annotated: QuerySet[Any] = Opportunity.objects.annotate(
        confirmed_at=Subquery(confirmed.values("confirmed")[:1]),
        is_in_play=Case(
            When(closed_at__isnull=False, then=F("in_play")),
            default=Exists(legs().filter(is_in_play())),
        ),
        is_stale=_boolean(Q(closed_at__isnull=True) & is_lost),
    )
    return annotated


def unjudged_opportunities() -> QuerySet[Opportunity]:
    """Return all opportunities as stored: what is shown of one, those `among` them decide."""
    return Opportunity.objects.all()


@dataclass(frozen=True, slots=True)
class JudgedOpportunity:
    """The values of `opportunities` of an opportunity that is not stale.

    Attributes:
        confirmed_at, is_in_play: as there.
        polls: how many are known to have seen the price of each leg.
    """

    confirmed_at: datetime
    is_in_play: bool
    polls: int


def open_opportunities_among(ids: Sequence[int]) -> dict[int, JudgedOpportunity]:
    """Return, by id, those among some opportunities that are open and not stale: one statement."""
    return _judged_opportunities(ids, is_open=True)


def closed_opportunities_among(ids: Sequence[int]) -> dict[int, JudgedOpportunity]:
    """Return, by id, those among some opportunities that are closed: one statement."""
    return _judged_opportunities(ids, is_open=False)


def _judged_opportunities(ids: Sequence[int], *, is_open: bool) -> dict[int, JudgedOpportunity]:
    if not ids:
        return {}
    rows = _judgement_of_opportunities(get_config().valuation, is_open=is_open).rows(ids)
    return {pk: JudgedOpportunity(*values) for pk, *values in rows}


@lru_cache(maxsize=8)
def _judgement_of_opportunities(policy: ValuationPolicy, *, is_open: bool) -> Compiled:
    found = _opportunities(policy).filter(OPEN if is_open else CLOSED, is_among_ids("pk"))
    seen = legs().annotate(polls=polls()).order_by("polls")
    columns = ("pk", "confirmed_at", "is_in_play", Subquery(seen.values("polls")[:1]))
    return Compiled(found.order_by().values_list(*columns))


def legs() -> QuerySet[Quote]:
    """Return the quotes that are legs of the outer query's opportunity."""
    found: QuerySet[Quote] = Quote.objects.filter(IsOneOf(F("pk"), OuterRef("quotes"))).order_by()
    return found


def bookmaker_keys() -> ArraySubquery:
    """Return an expression of the bookmakers' keys of an opportunity's legs, in their order."""
    return _of_bookmakers("key")


def bookmaker_titles() -> ArraySubquery:
    """Return an expression of the bookmakers' titles of an opportunity's legs, in their order."""
    return _of_bookmakers("title")


def _of_bookmakers(field: str) -> ArraySubquery:
    place = Func(
        OuterRef("quotes"), F("pk"), function="array_position", output_field=IntegerField()
    )
    in_order = legs().annotate(place=place).order_by("place")
    return ArraySubquery(in_order.values(f"bookmaker__{field}"))


def is_in_play(quote: str = "") -> Combinable:
    """Return the condition that the event of a row has started.

    It has by its status, by the time of its market's last change, or, where the provider is live,
    by the clock: the same rule as in `valuation.unvalued`.

    Args:
        quote: the path to a row's quote with its dunder, or empty. The row has a market itself.
    """
    return _truth(
        Q(market__event__status=EventStatus.LIVE)
        | Q(market__changed_at__gte=F("market__event__commence_time"))
        | _is_live(quote) & Q(market__event__commence_time__lte=Now())
    )


def is_too_old_in_play(quote: str = "") -> Combinable:
    """Return the condition that a quote was confirmed too long ago for an event that has started.

    Args:
        quote: as in `is_in_play`.
    """
    seconds = get_config().valuation.in_play_seconds
    is_old = LessThan(confirmed_at(quote), Now() - timedelta(seconds=seconds))
    return _truth(Q(is_in_play(quote)) & _is_live(quote) & Q(is_old))


def _is_live(quote: str) -> Q:
    return Q(**{f"{quote}feed__provider__clock": Clock.WALL})


def _voices(outcome: str) -> QuerySet[Any]:
    """Return the quotes that a consensus on an outcome can rest on: one per group of bookmakers.

    Args:
        outcome: the path from the asking row to it.
    """
    speaking: QuerySet[Any] = (
        Quote.objects.filter(side=Side.BACK, status=QuoteStatus.ACTIVE)
        .alias(is_stale=is_stale(), weight=weight_on_market())
        .filter(weight__gt=0)
        .order_by()
    )
    quotes = speaking.filter(outcome=OuterRef(outcome))
    return one_of_each(speaking.filter(is_stale=False), quotes)


def _nth_confirmation(voices: QuerySet[Any], number: int) -> Subquery:
    newest_first = voices.annotate(confirmed=confirmed_at()).order_by("-confirmed")
    return Subquery(newest_first.values("confirmed")[number - 1 : number])


def _is_unvalued() -> ExpressionWrapper[Q]:
    """Return the condition that a row's market waits too long for a valuation or revaluation."""
    since = Now() - timedelta(seconds=UNVALUED_SECONDS)
    touched = Quote.objects.filter(
        market=OuterRef(OuterRef("market")),
        bookmaker=OuterRef("bookmaker"),
        status=QuoteStatus.ACTIVE,
    )
    # The table is almost always empty.
    revaluations = Revaluation.objects.filter(
        Q(bookmaker__isnull=True) | Q(Exists(touched)),
        requested_at__lt=since,
        after_market__lt=OuterRef("market"),
    )
    is_waiting = Q(market__dirty_at__isnull=False, market__dirty_at__lt=since)
    return _boolean(is_waiting | Q(Exists(revaluations)))


def _truth(condition: Q) -> Combinable:
    """Return the condition, false where it compares with null: a new market has no change time."""
    return Case(When(condition, then=True), default=False, output_field=BooleanField())


def _boolean(condition: Q) -> ExpressionWrapper[Q]:
    return ExpressionWrapper(condition, output_field=BooleanField())
