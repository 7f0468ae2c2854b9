"""The rows of the board: edges as bettors read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Now

from betting.admin_base import formatting
from betting.db.bets import OF_QUOTE
from betting.db.freshness import trusted_quotes
from betting.models import Side
from betting.web.board.bookmaker_clv import BookmakerClv, clv_by_bookmaker
from betting.web.board.filters import Choices
from betting.web.board.judging import first_standing
from betting.words import (
    bet_title,
    event_title,
    fair_odds,
    money,
    odds,
    signed_percent,
)
from valuation.models import CONTRADICTED, IN_PLAY, OUTLIER, SUSPICIOUS
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

NEW_SECONDS = 10.0
"""An edge is marked as new for this long."""

GONE_SECONDS = 3.0
"""An edge that has closed stays, struck through, for this long."""

_WARNINGS = {
    IN_PLAY: "in play",
    OUTLIER: "outlier",
    SUSPICIOUS: "too good",
    CONTRADICTED: "contradicted",
    "near_stale": "nearly stale",
    "push_unknown": "push not counted",
}


@dataclass(frozen=True, slots=True)
class EdgeRow:
    """One edge in words. Odds, money and percentages are written as the reader chose.

    Attributes:
        state: "new", "gone", "stale" or "".
        clv: what past edges at the bookmaker were worth at the close; None with too few.
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
    next_best: str
    next_book: str
    stake: str
    stake_share: str
    books: int
    confirmed_at: datetime
    warnings: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        """Return True if the bet can be taken now."""
        return self.state not in {"gone", "stale"}


def board_rows(choices: Choices, tab: str) -> tuple[list[EdgeRow], bool]:
    """Return the best open edges of a tab, best first, and whether there are more.

    Edges that closed in the last seconds stand among them, marked as gone.
    """
    found = _best(choices, tab)
    best = dict(islice(found.items(), choices.rows))
    shown = [*_readable(best), *_just_gone(choices, tab)]
    shown.sort(key=lambda edge: (-edge.ev, edge.pk))
    return in_words(shown, choices), len(found) > len(best)


def _best(choices: Choices, tab: str) -> dict[int, JudgedEdge]:
    """Return the best open edges of a tab by id, one more than are shown."""
    best_first = unjudged_edges().filter(*choices.stored_conditions(tab), closed_at=None)

    def listed(ids: Sequence[int]) -> dict[int, JudgedEdge]:
        return {pk: edge for pk, edge in open_among(ids).items() if choices.lists(edge, tab)}

    return first_standing(best_first.order_by("-ev", "id"), listed, choices.rows + 1)


def readable_edges() -> QuerySet[Any]:
    """Return `valuation.vouching.edges` with what `in_words` needs of each."""
    return _with_bet(edges())


def _readable(judged: Mapping[int, JudgedEdge], **stored: Any) -> list[Any]:
    """Return edges as `readable_edges` does, by what was judged of them and stored conditions."""
    return with_judgement(_with_bet(unjudged_edges().filter(pk__in=judged, **stored)), judged)


def _with_bet(found: QuerySet[Any]) -> QuerySet[Any]:
    is_new = Q(opened_at__gte=Now() - timedelta(seconds=NEW_SECONDS))
    marked: QuerySet[Any] = found.annotate(is_new=ExpressionWrapper(is_new, BooleanField()))
    return marked.select_related(*OF_QUOTE.related)


def in_words(found: Iterable[Any], choices: Choices) -> list[EdgeRow]:
    """Return edges as rows, with the best price of another bookmaker: one statement for all.

    The bookmakers' CLV is another one, where it is not kept.

    Args:
        found: rows of `readable_edges`.
        choices: how odds and stakes are written.
    """
    found = list(found)
    others, clv = _other_prices(found), clv_by_bookmaker()
    return [
        _row(edge, others.get(edge.pk), clv.get(edge.quote.bookmaker.key), choices)
        for edge in found
    ]


def _just_gone(choices: Choices, tab: str) -> list[Any]:
    since = Now() - timedelta(seconds=GONE_SECONDS)
    closed = unjudged_edges().filter(*choices.stored_conditions(tab), closed_at__gte=since)
    best = closed.order_by("-ev", "id").values_list("pk", flat=True)[:MAX_GONE]
    judged = closed_among(list(best))
    return _readable({pk: each for pk, each in judged.items() if choices.lists(each, tab)})


def _row(
    edge: Any, other: tuple[float, str] | None, clv: BookmakerClv | None, choices: Choices
) -> EdgeRow:
    quote, market = edge.quote, edge.market
    sport = market.event.sport
    style = choices.odds_format
    probability = edge.probability if quote.side == Side.BACK else 1 - edge.probability
    next_price, next_book = other or (None, "")
    return EdgeRow(
        id=edge.pk,
        event_id=market.event_id,
        market_id=market.pk,
        state=_state(edge),
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
        next_best=odds(next_price, style),
        next_book=next_book,
        stake=_stake(edge, choices.bankroll),
        stake_share=formatting.percent(edge.current_advised) if edge.current_advised else "",
        books=edge.books,
        confirmed_at=edge.confirmed_at,
        warnings=tuple(_WARNINGS.get(each, each) for each in edge.warnings if each != IN_PLAY),
    )


def _state(edge: Any) -> str:
    if edge.closed_at is not None:
        return "gone"
    if edge.is_stale:
        return "stale"
    return "new" if edge.is_new else ""


def _stake(edge: Any, bankroll: float | None) -> str:
    """Return the advised risk in money, or as a share where no bankroll is known."""
    if not edge.current_advised:
        return formatting.ABSENT
    if bankroll is None:
        return formatting.percent(edge.current_advised)
    return money(bankroll * edge.current_advised)


def _other_prices(found: list[Any]) -> dict[int, tuple[float, str]]:
    """Return, by edge, the best price of the same bet at another bookmaker, and which."""
    quotes = (
        trusted_quotes()
        .filter(outcome__in={edge.quote.outcome_id for edge in found}, bookmaker__is_venue=True)
        .values_list("outcome_id", "side", "bookmaker_id", "price", "bookmaker__title")
    )
    offers: dict[tuple[int, str], list[tuple[float, int, str]]] = {}
    for outcome_id, side, bookmaker_id, price, title in quotes:
        # The best lay price is the lowest one.
        rank = price if side == Side.BACK else -price
        offers.setdefault((outcome_id, side), []).append((rank, bookmaker_id, title))
    best = {}
    for edge in found:
        quote = edge.quote
        of_others = [
            (rank, title)
            for rank, bookmaker_id, title in offers.get((quote.outcome_id, quote.side), [])
            if bookmaker_id != quote.bookmaker_id
        ]
        if of_others:
            rank, title = max(of_others)
            best[edge.pk] = (abs(rank), title)
    return best
