"""Arbitrages, middles and low holds as bettors read them: rows of the board, cards of an event."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Now

from betting.admin_base import formatting
from betting.config import get_config
from betting.models import Event, Side
from betting.web.board.edge_rows import GONE_SECONDS, MAX_GONE, Caution, seen_too_seldom
from betting.web.board.filters import Choices
from betting.web.board.judging import first_standing
from betting.words import (
    bet_title,
    event_title,
    fair_odds,
    market_title,
    money,
    odds,
    signed_percent,
)
from valuation.models import OpportunityKind
from valuation.opportunity_legs import Leg, with_legs
from valuation.vouching import (
    JudgedOpportunity,
    closed_opportunities_among,
    open_opportunities_among,
    unjudged_opportunities,
)

ARBITRAGE, MIDDLES, LOW_HOLD = "arbitrage", "middles", "low_hold"

KINDS = {
    ARBITRAGE: OpportunityKind.ARBITRAGE,
    MIDDLES: OpportunityKind.MIDDLE,
    LOW_HOLD: OpportunityKind.LOW_HOLD,
}
"""The tabs of the board, and the kinds of opportunities that they list."""

_RANKS = {
    OpportunityKind.ARBITRAGE: ("-worst", "-profit", "id"),
    OpportunityKind.MIDDLE: ("break_even", "id"),
    OpportunityKind.LOW_HOLD: ("-profit", "id"),
}
"""The order of each kind, best first; what is too good to be true follows, see `_best_first`."""

MAX_CARDS = 12
"""The most cards of each kind on an event's page."""

LEGS_SHOWN = 3
"""The legs that a row of the board has room for; the event's page has all of them."""


@dataclass(frozen=True, slots=True)
class LegWords:
    """One bet in words.

    Attributes:
        net: the price after commission, empty where it is the quoted one.
        stake: in the reader's money, or as a part of the total where no bankroll is known.
        liability: of a lay, in the same way; else empty.
    """

    bet: str
    book: str
    price: str
    net: str
    stake: str
    liability: str
    is_disputed: bool


@dataclass(frozen=True, slots=True)
class OpportunityRow:
    """One opportunity in words. Odds, money and percentages are written as the reader chose.

    Attributes:
        state: "new", "gone" or "".
        profit: where one bet wins.
        worst, best: at the worst and the best result.
        worst_money, best_money: the same of the reader's bankroll; empty if that is not known.
        gap, needs: of a middle: between its points; the chance from which it pays, or "always".
        is_too_good: whether it is probably a mistake.
        unseen: the caution about a leg that fewer polls have seen than the reader asks for.
    """

    id: int
    event_id: int
    market_id: int
    kind: str
    state: str
    event: str
    league: str
    market: str
    starts_at: datetime
    is_in_play: bool
    profit: str
    hold: str
    worst: str
    is_sure_gain: bool
    best: str
    worst_money: str
    best_money: str
    gap: str
    needs: str
    legs: tuple[LegWords, ...]
    opened_at: datetime
    confirmed_at: datetime
    is_too_good: bool
    unseen: Caution | None

    @property
    def shown_legs(self) -> tuple[LegWords, ...]:
        """The legs that a row of the board shows."""
        return self.legs[:LEGS_SHOWN]

    @property
    def more_legs(self) -> int:
        """The number of legs that it does not show."""
        return max(len(self.legs) - LEGS_SHOWN, 0)

    @property
    def is_disputed(self) -> bool:
        """True if another provider says another price of one of the bets."""
        return any(leg.is_disputed for leg in self.legs)


def opportunity_rows(choices: Choices, tab: str) -> tuple[list[OpportunityRow], bool]:
    """Return the best open opportunities of a tab, best first, and whether there are more.

    Those that closed in the last seconds follow, marked as gone.
    """
    kind = KINDS[tab]
    of_kind = unjudged_opportunities().filter(*choices.opportunity_conditions(), kind=kind)
    found = first_standing(
        _best_first(of_kind.filter(closed_at=None), kind),
        lambda ids: _kept(open_opportunities_among(ids), choices.lists_opportunity),
        choices.rows + 1,
    )
    best = dict(islice(found.items(), choices.rows))
    since = Now() - timedelta(seconds=GONE_SECONDS)
    closed = _best_first(of_kind.filter(closed_at__gte=since), kind)
    ids = list(closed.values_list("pk", flat=True)[:MAX_GONE])
    gone = _kept(closed_opportunities_among(ids), choices.fits_start)
    return _in_words(_readable(best | gone), choices), len(found) > len(best)


def event_cards(event: Event, choices: Choices) -> list[OpportunityRow]:
    """Return the open arbitrages and middles of an event's markets, the best of each first."""
    found: dict[int, JudgedOpportunity] = {}
    for kind in (OpportunityKind.ARBITRAGE, OpportunityKind.MIDDLE):
        of_event = unjudged_opportunities().filter(market__event=event, kind=kind, closed_at=None)
        found |= first_standing(_best_first(of_event, kind), open_opportunities_among, MAX_CARDS)
    return _in_words(_readable(found), choices)


def _best_first(found: QuerySet[Any], kind: OpportunityKind) -> QuerySet[Any]:
    """Return opportunities in the order of their kind, those last that are rather mistakes."""
    is_too_good = Q(worst__gt=get_config().valuation.suspicious_ev)
    return found.order_by(ExpressionWrapper(is_too_good, BooleanField()), *_RANKS[kind])


def _kept(
    judged: Mapping[int, JudgedOpportunity], is_kept: Callable[[JudgedOpportunity], bool]
) -> dict[int, JudgedOpportunity]:
    return {pk: each for pk, each in judged.items() if is_kept(each)}


def _readable(judged: Mapping[int, JudgedOpportunity]) -> list[Any]:
    """Return the opportunities with what `_in_words` needs of each, in the order given."""
    stored: Any = unjudged_opportunities().select_related("market__event__sport").in_bulk(judged)
    found = [stored[pk] for pk in judged if pk in stored]
    for one in found:
        of = judged[one.pk]
        one.confirmed_at, one.is_in_play = of.confirmed_at, of.is_in_play
        one.polls = of.polls
    return found


def _in_words(found: Iterable[Any], choices: Choices) -> list[OpportunityRow]:
    return [_row(one, choices) for one in with_legs(found)]


def _row(one: Any, choices: Choices) -> OpportunityRow:
    market = one.market
    sport = market.event.sport
    bankroll = choices.bankroll
    return OpportunityRow(
        id=one.pk,
        event_id=market.event_id,
        market_id=market.pk,
        kind=one.get_kind_display(),
        state="gone" if one.closed_at else "new" if one.opened_at > choices.new_since else "",
        event=event_title(market.event),
        league=sport.title,
        market=market_title(market, sport.key),
        starts_at=market.event.commence_time,
        is_in_play=one.is_in_play,
        profit=signed_percent(one.profit),
        hold=formatting.percent(abs(one.profit)),
        worst=signed_percent(one.worst),
        is_sure_gain=round(one.worst, 4) > 0,
        best=signed_percent(one.best, 1),
        worst_money=_signed_money(one.worst, bankroll),
        best_money=_signed_money(one.best, bankroll),
        gap=formatting.ABSENT if one.gap is None else f"{one.gap:g}",
        needs=_needs(one.break_even),
        legs=tuple(_leg(leg, market, choices) for leg in one.legs),
        opened_at=one.opened_at,
        confirmed_at=one.confirmed_at,
        is_too_good=one.worst > get_config().valuation.suspicious_ev,
        unseen=seen_too_seldom(one.polls, choices),
    )


def _needs(break_even: float | None) -> str:
    """Return the chance from which a middle pays.

    >>> _needs(0.0256), _needs(-0.01), _needs(None)
    ('2.6 %', 'always', '')
    """
    if break_even is None:
        return ""
    return formatting.percent(break_even, 1) if break_even > 0 else "always"


def _leg(leg: Leg, market: Any, choices: Choices) -> LegWords:
    quote, style = leg.quote, choices.odds_format
    return LegWords(
        bet=bet_title(market, quote.outcome, quote.side, market.event.sport.key),
        book=quote.bookmaker.title,
        price=odds(leg.price, style),
        net="" if leg.net_price == leg.price else fair_odds(leg.net_price, style),
        stake=_amount(leg.stake.stake, choices.bankroll),
        liability=_amount(leg.stake.liability, choices.bankroll) if quote.side == Side.LAY else "",
        is_disputed=quote.is_disputed,
    )


def _amount(part: float, bankroll: float | None) -> str:
    """Return a part of the total in money, or as a percentage where no bankroll is known."""
    return formatting.percent(part, 1) if bankroll is None else money(bankroll * part)


def _signed_money(part: float, bankroll: float | None) -> str:
    if bankroll is None:
        return ""
    sign = "+" if part >= 0 else "\N{MINUS SIGN}"
    return f"{sign}{money(abs(bankroll * part))}"
