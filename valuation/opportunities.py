"""The opportunities among the bets on offer in one market: covers, arbitrages and middles."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import numpy as np

from betting.db.freshness import confirmed_at, is_disputed, trusted_quotes
from betting.models import Market, Outcome, Quote, Side
from valuation.covering import (
    Bets,
    Covers,
    Offers,
    Outcomes,
    Role,
    arrange,
    covers,
    middles,
)
from valuation.edges import Middles, lay_as_back, net_back, net_price
from valuation.fees import commission_of
from valuation.vouching import is_in_play, is_too_old_in_play


@dataclass(frozen=True, slots=True)
class Selection:
    """An outcome that can be bet on.

    Attributes:
        name: as providers write it.
        point: the handicap or total; None where the kind has none.
        line: the point as the home side or the over sees it; equal for what excludes each other.
    """

    name: str
    point: float | None = None
    line: float | None = None

    def __str__(self) -> str:
        """Return the name with its point.

        >>> str(Selection("Over", 47.5, 47.5))
        'Over +47.5'
        """
        return self.name if self.point is None else f"{self.name} {self.point:+g}"


@dataclass(frozen=True, slots=True)
class Bet:
    """One bookmaker's offer on one selection.

    Attributes:
        selection: what is bet on, or against.
        side: `Side.BACK`, or `Side.LAY` for a bet against it.
        bookmaker: the bookmaker's key.
        price: decimal odds as quoted.
        odds: decimal odds net of commission at which what is risked pays; of a lay bet, those at
            which its liability backs everything but the selection.
        net_price: the price after commission; of a lay bet, the commission-free lay price that is
            as good.
        confirmed_at: when its provider last looked at it; None where that does not matter.
        is_disputed: whether another provider says another price of it.
        is_in_play: whether its event has started.
    """

    selection: Selection
    side: Side
    bookmaker: str
    price: float
    odds: float
    net_price: float
    confirmed_at: datetime | None = None
    is_disputed: bool = False
    is_in_play: bool = False


@dataclass(frozen=True, slots=True)
class Stake:
    """The stake on one bet, as parts of all that a cover risks.

    Attributes:
        stake: at the quoted price; of a lay bet what the other side stakes.
        liability: what the bet loses if it loses; of a back bet its stake.
    """

    stake: float
    liability: float

    @classmethod
    def risking(cls, part: float, side: str, price: float) -> Stake:
        """Return the stake on a bet that risks a part of the total.

        >>> Stake.risking(0.52, "lay", 3.6)
        Stake(stake=0.2, liability=0.52)
        """
        return cls(part / (price - 1) if side == Side.LAY else part, part)


@dataclass(frozen=True, slots=True)
class Cover:
    """Bets of which exactly one wins, unless a result hits their point and stakes come back.

    Attributes:
        bets: each at the best price there is.
        stakes: the part of the total to risk on each, so that all return the same: the stake of
            a back bet, the liability of a lay bet.
        booksum: S = Σ 1/odds.
        profit: 1/S − 1 of the total, where one bet wins; above 0 for an arbitrage.
        worst: the lowest profit that any result leads to: below `profit` where the point is whole,
            so that all stakes may come back (0), or a quarter, so that half of them may.
    """

    bets: tuple[Bet, ...]
    stakes: tuple[float, ...]
    booksum: float
    profit: float
    worst: float

    @property
    def confirmed_at(self) -> datetime | None:
        """The confirmation time of the bet that was confirmed the longest ago."""
        return _oldest(self.bets)

    @property
    def is_in_play(self) -> bool:
        """True if the event has started for any of the bets."""
        return any(bet.is_in_play for bet in self.bets)

    @property
    def legs(self) -> list[tuple[Bet, Stake]]:
        """Each bet with its stake."""
        return [
            (bet, Stake.risking(part, bet.side, bet.price))
            for bet, part in zip(self.bets, self.stakes, strict=True)
        ]

    @property
    def is_arbitrage(self) -> bool:
        """True if no result loses, and every result pays unless stakes come back."""
        return self.profit > 0


@dataclass(frozen=True, slots=True)
class Middle:
    """Two bets that can both win when the result falls between their points: `edges.Middles`."""

    above: Bet
    below: Bet
    gap: float
    worst: float
    best: float
    break_even: float

    @property
    def confirmed_at(self) -> datetime | None:
        """The confirmation time of the bet that was confirmed longer ago."""
        return _oldest((self.above, self.below))

    @property
    def is_in_play(self) -> bool:
        """True if the event has started for either bet."""
        return self.above.is_in_play or self.below.is_in_play


@dataclass(frozen=True, slots=True)
class Opportunities:
    """The covers and middles that a market offers.

    Attributes:
        covers: the best prices of every line all of whose outcomes are on offer, and of every
            outcome that can be backed and laid; lowest booksum first. Each of the bookmakers
            quotes the whole line, so that all of their bets are settled alike.
        middles: cheapest first, at most `covering.MAX_MIDDLES`.
    """

    covers: tuple[Cover, ...]
    middles: tuple[Middle, ...]

    @property
    def arbitrages(self) -> tuple[Cover, ...]:
        """The covers that never lose, and pay unless stakes come back."""
        return tuple(cover for cover in self.covers if cover.is_arbitrage)


def load(market: Market) -> Opportunities:
    """Find the opportunities in one market: `load_all`."""
    return load_all([market])[market.pk]


def load_all(markets: Sequence[Market]) -> dict[int, Opportunities]:
    """Find the opportunities among the quotes of some markets that can be bet on now.

    Two statements, however many markets. Quotes are left out when they are suspended or
    quarantined, stale by the reader's clock (`betting.db.freshness`), confirmed too long ago for an
    event that has started, of a bookmaker that is no venue, or of an exchange whose commission is
    not known.

    Args:
        markets: with their events.

    Returns:
        Market id → what it offers.
    """
    quotes = (
        trusted_quotes()
        .annotate(confirmed_at=confirmed_at(), is_disputed=is_disputed(), is_in_play=is_in_play())
        .alias(is_too_old=is_too_old_in_play())
        .filter(
            market__in=markets,
            is_too_old=False,
            bookmaker__is_venue=True,
            bookmaker__commission__isnull=False,
        )
        .select_related("outcome", "bookmaker")
        .order_by("bookmaker__key", "id")  # of equally good ones the first is taken
    )
    offered, known = defaultdict(list), defaultdict(list)
    for quote in quotes:
        offered[quote.market_id].append(quote)
    for outcome in Outcome.objects.filter(market__in=markets).order_by("id"):
        selection = Selection(outcome.name, outcome.point, outcome.line)
        known[outcome.market_id].append(selection)
    return {
        market.pk: find(
            known[market.pk],
            [_bet(quote) for quote in offered[market.pk]],
            home=market.event.home,
            away=market.event.away,
        )
        for market in markets
    }


def find(
    selections: Iterable[Selection], bets: Iterable[Bet], *, home: str, away: str
) -> Opportunities:
    """Find the opportunities among some bets on one market: `valuation.covering`.

    Args:
        selections: every outcome the market is known to have, on offer or not. A line is covered
            only when all of them are on offer. A bookmaker has a part in a cover only if it quotes
            all of them, on either side: it then settles as the others do.
        bets: the offers; of equally good ones the first is taken.
        home: the home side's name, whose handicap is won above a margin.
        away: the away side's.
    """
    bets = list(bets)
    offers = _offers(selections, bets, home, away)
    found, pairs = covers(offers), middles(offers)
    order = np.argsort(found.booksum, kind="stable").tolist()
    return Opportunities(
        covers=tuple(_cover(found, index, bets) for index in order),
        middles=tuple(_middle(pairs, index, bets) for index in range(pairs.gap.size)),
    )


def _offers(selections: Iterable[Selection], bets: Sequence[Bet], home: str, away: str) -> Offers:
    known = {selection: index for index, selection in enumerate(dict.fromkeys(selections))}
    books = {key: index for index, key in enumerate({bet.bookmaker for bet in bets})}
    roles = {home: Role.HOME, away: Role.AWAY, "Over": Role.OVER, "Under": Role.UNDER}
    lines = [np.nan if each.line is None else each.line for each in known]
    return arrange(
        Bets(
            place=np.arange(len(bets)),
            outcome_id=np.array([known[bet.selection] for bet in bets], dtype=np.int64),
            bookmaker_id=np.array([books[bet.bookmaker] for bet in bets], dtype=np.int64),
            is_lay=np.array([bet.side == Side.LAY for bet in bets], dtype=np.bool_),
            odds=np.array([bet.odds for bet in bets], dtype=np.float64),
        ),
        Outcomes(
            id=np.arange(len(known)),
            market_id=np.zeros(len(known), dtype=np.int64),
            line=np.array(lines, dtype=np.float64),
            role=np.array([roles.get(each.name, Role.NONE) for each in known], dtype=np.int64),
        ),
    )


def _cover(found: Covers, index: int, bets: Sequence[Bet]) -> Cover:
    legs = slice(found.first[index], found.first[index] + found.size[index])
    return Cover(
        bets=tuple(bets[row] for row in found.bet[legs].tolist()),
        stakes=tuple(found.part[legs].tolist()),
        booksum=float(found.booksum[index]),
        profit=float(found.profit[index]),
        worst=float(found.worst[index]),
    )


def _middle(found: Middles, index: int, bets: Sequence[Bet]) -> Middle:
    return Middle(
        above=bets[found.above[index]],
        below=bets[found.below[index]],
        gap=float(found.gap[index]),
        worst=float(found.worst[index]),
        best=float(found.best[index]),
        break_even=float(found.break_even[index]),
    )


def _bet(quote: Quote) -> Bet:
    side, outcome = Side(quote.side), quote.outcome
    commission = commission_of(quote.bookmaker, quote.price, side)
    net = net_price(quote.price, side, commission)
    assert net is not None, "quotes whose commission is not known are left out"
    as_back = lay_as_back if side == Side.LAY else net_back
    return Bet(
        selection=Selection(outcome.name, outcome.point, outcome.line),
        side=side,
        bookmaker=quote.bookmaker.key,
        price=quote.price,
        odds=float(as_back(np.array(quote.price), np.array(commission))),
        net_price=net,
        confirmed_at=cast("Any", quote).confirmed_at,
        is_disputed=cast("Any", quote).is_disputed,
        is_in_play=cast("Any", quote).is_in_play,
    )


def _oldest(bets: Iterable[Bet]) -> datetime | None:
    return min((bet.confirmed_at for bet in bets if bet.confirmed_at is not None), default=None)
