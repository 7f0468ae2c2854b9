"""The rows of the board: edges as bettors read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Now

from betting.admin_base import formatting
from betting.config import get_config
from betting.db.bets import OF_QUOTE
from betting.db.freshness import polls, trusted_quotes
from betting.models import Event, EventStatus, Quote, QuoteStatus, Side
from betting.web.board.bookmaker_clv import BookmakerClv, clv_by_bookmaker
from betting.web.board.filters import BEFORE_START, Choices
from betting.web.board.filters import IN_PLAY as IN_PLAY_TAB
from betting.web.board.judging import first_standing
from betting.words import (
    bet_title,
    event_title,
    fair_odds,
    money,
    odds,
    signed_percent,
)
from valuation.fees import payout_rank
from valuation.models import CONTRADICTED, IN_PLAY, OUTLIER, SUSPICIOUS
from valuation.opportunities import Stake
from valuation.vouching import (
    JudgedEdge,
    closed_among,
    edges,
    open_among,
    unjudged_edges,
    with_judgement,
)

MAX_GONE = 25
"""The most rows that have just closed, the best of them."""

GONE_SECONDS = 3.0
"""An edge that has closed stays, struck through, for this long."""


@dataclass(frozen=True, slots=True)
class Caution:
    """A doubt about an edge: in a word or two, and in a sentence."""

    words: str
    why: str


_CAUTIONS = {
    OUTLIER: Caution("outlier", "this price is far from all others, so it is rather a mistake"),
    SUSPICIOUS: Caution("too good", "an edge as large as this is rather a mistake"),
    CONTRADICTED: Caution(
        "contradicted", "by another provider the same book has another price, which is no edge"
    ),
    "disputed": Caution("disputed", "by another provider the same book has another price"),
    "near_stale": Caution("nearly stale", "nobody has looked at this price for a while"),
    "push_unknown": Caution(
        "push not counted",
        "a result on the line returns the stake, and the chance of that is not known: the"
        " value is that without it, and too high; the stake does not depend on it",
    ),
    "few_books": Caution("few books", "the fair price rests on the fewest books allowed"),
}


@dataclass(frozen=True, slots=True)
class EdgeRow:
    """One edge in words. Odds, money and percentages are written as the reader chose.

    Attributes:
        state: "new", "gone", "stale" or "".
        clv: what past edges at the bookmaker were worth at the close; None with too few.
        is_lay: whether the bet is against its outcome.
        best_elsewhere, elsewhere_book: the best price of the same bet at another book.
        is_better_elsewhere: whether that price pays more than this one, net of fees.
        changed_at: when the price last changed.
        has_just_moved: whether that was within the last seconds.
        stake: to bet, of a lay what the other side stakes.
        risk: of a lay what it loses if it loses; else empty.
        suspended: "8 of 15" where so many books have suspended the outcome, more than half.
        cap: the most that is advised, where the stake is that; else empty.
    """

    id: int
    event_id: int
    market_id: int
    state: str
    ev: str
    event: str
    league: str
    starts_at: datetime
    is_in_play: bool
    bet: str
    book: str
    clv: BookmakerClv | None
    price: str
    fair: str
    fair_chance: str
    is_lay: bool
    best_elsewhere: str
    elsewhere_book: str
    is_better_elsewhere: bool
    changed_at: datetime
    has_just_moved: bool
    stake: str
    risk: str
    stake_share: str
    cap: str
    books: int
    confirmed_at: datetime
    suspended: str
    cautions: tuple[Caution, ...]

    @property
    def is_open(self) -> bool:
        """Return True if the bet can be taken now."""
        return self.state not in {"gone", "stale"}

    @property
    def is_instead(self) -> bool:
        """Return True if its stake is one of two to choose from: the bet pays more elsewhere."""
        return self.is_open and self.is_better_elsewhere and bool(self.stake_share)


def board_rows(choices: Choices, tab: str) -> tuple[list[EdgeRow], bool]:
    """Return the best open edges of a tab, best first, and whether there are more.

    Edges that closed in the last seconds stand among them, marked as gone.
    """
    found = _best(choices, tab, choices.rows + 1)
    best = dict(islice(found.items(), choices.rows))
    shown = [*_readable(best), *_just_gone(choices, tab)]
    shown.sort(key=lambda edge: (-edge.ev, edge.pk))
    return in_words(shown, choices), len(found) > len(best)


def best_of_event(event: Event, choices: Choices) -> EdgeRow | None:
    """Return the best open edge of an event that the board would list; None if there is none."""
    tab = IN_PLAY_TAB if event.status == EventStatus.LIVE else BEFORE_START
    rows = in_words(_readable(_best(choices, tab, 1, market__event=event)), choices)
    return rows[0] if rows else None


def _best(choices: Choices, tab: str, enough: int, **stored: Any) -> dict[int, JudgedEdge]:
    """Return the best open edges of a tab by id, so many at most."""
    conditions = choices.stored_conditions(tab)
    best_first = unjudged_edges().filter(*conditions, closed_at=None, **stored)

    def listed(ids: Sequence[int]) -> dict[int, JudgedEdge]:
        return {pk: edge for pk, edge in open_among(ids).items() if choices.lists(edge, tab)}

    return first_standing(best_first.order_by("-ev", "id"), listed, enough)


def readable_edges() -> QuerySet[Any]:
    """Return `valuation.vouching.edges` with what `in_words` needs of each."""
    found: QuerySet[Any] = _with_bet(edges()).annotate(polls=polls("quote__"))
    return found


def _readable(judged: Mapping[int, JudgedEdge], **stored: Any) -> list[Any]:
    """Return edges as `readable_edges` does, by what was judged of them and stored conditions."""
    return with_judgement(_with_bet(unjudged_edges().filter(pk__in=judged, **stored)), judged)


def _with_bet(found: QuerySet[Any]) -> QuerySet[Any]:
    return found.select_related(*OF_QUOTE.related)


def in_words(found: Iterable[Any], choices: Choices) -> list[EdgeRow]:
    """Return edges as rows, with the best price of another bookmaker: two statements for all.

    The bookmakers' CLV is another one, where it is not kept.

    Args:
        found: rows of `readable_edges`.
        choices: how odds and stakes are written.
    """
    found = list(found)
    others, clv = _other_prices(found), clv_by_bookmaker()
    suspended = _mostly_suspended(found)
    return [
        _row(
            edge,
            others.get(edge.pk),
            suspended.get(edge.quote.outcome_id, ""),
            clv.get(edge.quote.bookmaker.key),
            choices,
        )
        for edge in found
    ]


def cautions_of(warnings: Iterable[str]) -> tuple[Caution, ...]:
    """Return an edge's warnings in words; that it is in play is said elsewhere.

    Workers of the next release may know more of them than this page.
    """
    return tuple(
        _CAUTIONS.get(each, Caution(each.replace("_", " "), "see the documentation"))
        for each in warnings
        if each != IN_PLAY
    )


def seen_too_seldom(polls: int, choices: Choices) -> Caution | None:
    """Return the caution about a price that fewer polls have seen than the reader asks for."""
    if polls >= choices.polls:
        return None
    return Caution(f"seen by fewer than {choices.polls} polls", "it may be gone already")


def _just_gone(choices: Choices, tab: str) -> list[Any]:
    since = Now() - timedelta(seconds=GONE_SECONDS)
    closed = unjudged_edges().filter(*choices.stored_conditions(tab), closed_at__gte=since)
    best = closed.order_by("-ev", "id").values_list("pk", flat=True)[:MAX_GONE]
    judged = closed_among(list(best))
    return _readable({pk: each for pk, each in judged.items() if choices.lists(each, tab)})


def _row(
    edge: Any, other: _Other | None, suspended: str, clv: BookmakerClv | None, choices: Choices
) -> EdgeRow:
    quote, market = edge.quote, edge.market
    sport = market.event.sport
    style = choices.odds_format
    probability = edge.probability if quote.side == Side.BACK else 1 - edge.probability
    staked = Stake.risking(edge.current_advised, quote.side, edge.price)
    is_lay = quote.side == Side.LAY
    return EdgeRow(
        id=edge.pk,
        event_id=market.event_id,
        market_id=market.pk,
        state=_state(edge, choices),
        ev=signed_percent(edge.ev),
        event=event_title(market.event),
        league=sport.title,
        starts_at=market.event.commence_time,
        is_in_play=edge.is_in_play,
        bet=bet_title(market, quote.outcome, quote.side, sport.key),
        book=quote.bookmaker.title,
        clv=clv,
        price=odds(edge.price, style),
        fair=fair_odds(1 / edge.probability, style),
        fair_chance=formatting.percent(probability, 1),
        is_lay=is_lay,
        best_elsewhere=odds(other.price if other else None, style),
        elsewhere_book=other.book if other else "",
        is_better_elsewhere=other is not None and other.is_better,
        changed_at=quote.changed_at,
        has_just_moved=quote.changed_at > choices.just_now,
        stake=_amount(staked.stake, choices.bankroll),
        risk=_amount(staked.liability, choices.bankroll) if is_lay and staked.liability else "",
        stake_share=formatting.percent(edge.current_advised) if edge.current_advised else "",
        cap=_cap(edge.current_advised),
        books=edge.books,
        confirmed_at=edge.confirmed_at,
        suspended=suspended,
        cautions=(*cautions_of(edge.warnings), *_unseen(edge, choices)),
    )


def _unseen(edge: Any, choices: Choices) -> list[Caution]:
    """Return the caution about the price of an open edge that too few polls have seen, if any."""
    caution = seen_too_seldom(edge.polls, choices) if edge.closed_at is None else None
    return [] if caution is None else [caution]


def _state(edge: Any, choices: Choices) -> str:
    if edge.closed_at is not None:
        return "gone"
    if edge.is_stale:
        return "stale"
    return "new" if edge.opened_at > choices.new_since else ""


def _amount(part: float, bankroll: float | None) -> str:
    """Return a part of the bankroll in money, or as a percentage where none is known."""
    if not part:
        return formatting.ABSENT
    return formatting.percent(part) if bankroll is None else money(bankroll * part)


def _cap(advised: float) -> str:
    """Return the largest part of a bankroll that is advised, where this is that much."""
    cap = get_config().valuation.kelly_cap
    return f"{cap * 100:g} %" if 0 < cap <= advised else ""


@dataclass(frozen=True, slots=True)
class _Other:
    """The best price of a bet at another bookmaker, and whether it pays more after commission."""

    price: float
    book: str
    is_better: bool


def _other_prices(found: list[Any]) -> dict[int, _Other]:
    """Return, by edge, the best price of the same bet at another bookmaker, and which."""
    quotes = (
        trusted_quotes()
        .filter(outcome__in={edge.quote.outcome_id for edge in found}, bookmaker__is_venue=True)
        .select_related("bookmaker")
        .only(
            "outcome_id",
            "side",
            "price",
            "bookmaker__title",
            "bookmaker__commission",
            "bookmaker__fee_model",
        )
    )
    offers: dict[tuple[int, str], list[Quote]] = {}
    for quote in quotes:
        offers.setdefault((quote.outcome_id, quote.side), []).append(quote)
    best = {}
    for edge in found:
        quote = edge.quote
        of_others = [
            each
            for each in offers.get((quote.outcome_id, quote.side), [])
            if each.bookmaker_id != quote.bookmaker_id
        ]
        if of_others:
            other = max(of_others, key=lambda each: (payout_rank(each), each.bookmaker.title))
            is_better = payout_rank(other) > payout_rank(quote, edge.price)
            best[edge.pk] = _Other(other.price, other.bookmaker.title, is_better)
    return best


def _mostly_suspended(found: list[Any]) -> dict[int, str]:
    """Return, by outcome, how many of its books have suspended it, where more than half have.

    A price of a moment in which most books are changing theirs is rarely still there.
    """
    counted = (
        Quote.objects.filter(outcome__in={edge.quote.outcome_id for edge in found}, side=Side.BACK)
        .order_by()
        .values("outcome_id")
        .annotate(books=Count("pk"), off=Count("pk", filter=Q(status=QuoteStatus.SUSPENDED)))
    )
    return {
        each["outcome_id"]: f"{each['off']} of {each['books']}"
        for each in counted
        if 2 * each["off"] > each["books"]
    }
