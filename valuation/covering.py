"""Covers and middles among the bets of many markets at once; see docs/valuation.md.

No loop runs over markets, lines or bets.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from valuation.arrays import BoolArray, FloatArray, IntArray, is_new, number, positions
from valuation.edges import Middles
from valuation.edges import middles as middles_of

MAX_MIDDLES = 50
"""Middles reported per market, cheapest first; n points on either side make up to n² pairs."""


class Role(IntEnum):
    """The side of a line on which an outcome wins; it decides what is a middle."""

    NONE = 0
    OVER = 1
    UNDER = 2
    HOME = 3
    AWAY = 4


ABOVE, BELOW = [Role.OVER, Role.HOME], [Role.UNDER, Role.AWAY]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Every outcome that some markets are known to have, on offer or not; columns of shape (o,).

    Attributes:
        id: distinct, in any order.
        market_id: the outcome's market.
        line: the point as the home side or the over sees it; NaN where the market has no point.
        role: a `Role`.
    """

    id: IntArray
    market_id: IntArray
    line: FloatArray
    role: IntArray


@dataclass(frozen=True, slots=True)
class Bets:
    """Bets that can be placed now, in any order; columns of shape (b,).

    Attributes:
        place: of equally good bets on one side of an outcome the one with the lowest is taken.
        outcome_id: what is bet on, or against; one of the known outcomes.
        bookmaker_id: whose offer it is.
        is_lay: whether it is a bet against the outcome.
        odds: net decimal odds; of a lay bet those at which it backs the complement.
    """

    place: IntArray
    outcome_id: IntArray
    bookmaker_id: IntArray
    is_lay: BoolArray
    odds: FloatArray


@dataclass(frozen=True, slots=True)
class Offers:
    """Bets by line, in the order in which they are combined.

    Outcomes are in order of market, line and id, and are named by their position in that order.

    Attributes:
        bets: the bets.
        of: the outcome of each bet, (b,).
        market_id, line, role: of each outcome, as in `Outcomes`, (o,).
        line_number: the number of each outcome's line, from 0, (o,).
        line_size: the known outcomes of each line, (lines,).
    """

    bets: Bets
    of: IntArray
    market_id: IntArray
    line: FloatArray
    role: IntArray
    line_number: IntArray
    line_size: IntArray


@dataclass(frozen=True, slots=True)
class Covers:
    """Sets of bets of which exactly one wins, unless a result hits their point; (c,).

    Attributes:
        market_id: whose.
        line_number: as in `Offers`.
        first: where its bets begin in `bet`.
        size: the number of its bets.
        bet: the bets' rows, cover by cover: in order of the outcomes, or a back before its lay.
        part: of the total, to risk on each of them, so that all return the same; as `bet`.
        booksum: S = Σ 1/odds.
        profit: 1/S − 1 of the total, where one bet wins.
        worst: the lowest profit that any result leads to: below `profit` where the point is whole,
            so that all stakes may come back (0), or a quarter, so that half of them may.
        best: the highest.
        is_two_books: whether its bets are at two bookmakers or more.
    """

    market_id: IntArray
    line_number: IntArray
    first: IntArray
    size: IntArray
    bet: IntArray
    part: FloatArray
    booksum: FloatArray
    profit: FloatArray
    worst: FloatArray
    best: FloatArray
    is_two_books: BoolArray

    @property
    def is_arbitrage(self) -> BoolArray:
        """Which never lose, and pay unless stakes come back."""
        return self.profit > 0

    def is_low_hold(self, max_hold: float) -> BoolArray:
        """Return which are the best of their lines, and cost little without being an arbitrage.

        Bets at one bookmaker alone do not count: its own margin is no opportunity.

        Args:
            max_hold: the highest hold, 1 − 1/S, that is little.
        """
        at_two = np.flatnonzero(self.is_two_books)
        order = at_two[np.lexsort((self.booksum[at_two], self.line_number[at_two]))]
        is_best = np.zeros(self.booksum.shape, dtype=np.bool_)
        is_best[order[is_new(self.line_number[order])]] = True
        return is_best & ~self.is_arbitrage & (self.profit >= -max_hold)


def arrange(bets: Bets, outcomes: Outcomes) -> Offers:
    """Order the outcomes by market and line, and find each bet's."""
    point = np.where(np.isnan(outcomes.line), np.inf, outcomes.line)  # unlike NaN, equal to itself
    order = np.lexsort((outcomes.id, point, outcomes.market_id))
    market_id, line = outcomes.market_id[order], outcomes.line[order]
    line_number = number(is_new(market_id) | is_new(point[order]))
    return Offers(
        bets=bets,
        of=positions(outcomes.id[order], bets.outcome_id),
        market_id=market_id,
        line=line,
        role=outcomes.role[order],
        line_number=line_number,
        line_size=np.bincount(line_number),
    )


def covers(offers: Offers) -> Covers:
    """Return the covers: every whole line, and every outcome that can be backed and laid.

    Each at the best prices of the bookmakers that quote the whole line, so that all of its bets are
    settled alike.
    """
    back, lay = _best(offers, np.flatnonzero(_settled_alike(offers)))
    line = offers.line_number
    backed = np.bincount(line, back >= 0, minlength=offers.line_size.size)
    is_whole = (backed == offers.line_size) & (offers.line_size > 1)
    # A line's outcomes stand together, so that its bets do.
    of_lines = np.flatnonzero(is_whole[line])
    of_pairs = np.flatnonzero((back >= 0) & (lay >= 0))
    bet = np.concatenate(
        [back[of_lines], np.stack([back[of_pairs], lay[of_pairs]], axis=1).ravel()]
    )
    outcome = np.concatenate([of_lines[is_new(line[of_lines])], of_pairs])
    size = np.concatenate([offers.line_size[is_whole], np.full(of_pairs.size, 2)])
    return _priced(offers, outcome, size, bet)


def _priced(offers: Offers, outcome: IntArray, size: IntArray, bet: IntArray) -> Covers:
    """Return covers with their figures.

    Args:
        offers: the bets.
        outcome: one of the outcomes of each cover's line, (c,).
        size: as in `Covers`.
        bet: as in `Covers`.
    """
    first = np.cumsum(size) - size
    implied = 1 / offers.bets.odds[bet]
    booksum = _sums(implied, first)
    profit = 1 / booksum - 1
    returned = np.where(size == 2, _part_returned(offers.line[outcome]), 0.0)
    at_push = profit * (1 - returned)
    bookmaker = offers.bets.bookmaker_id[bet]
    is_other = bookmaker != np.repeat(bookmaker[first], size)
    return Covers(
        market_id=offers.market_id[outcome],
        line_number=offers.line_number[outcome],
        first=first,
        size=size,
        bet=bet,
        part=implied / np.repeat(booksum, size),
        booksum=booksum,
        profit=profit,
        worst=np.minimum(profit, at_push),
        best=np.maximum(profit, at_push),
        is_two_books=_sums(is_other, first) > 0,
    )


def _sums(values: FloatArray | BoolArray, first: IntArray) -> FloatArray:
    """Return the sum of each run of values, given where it begins; no run is empty."""
    if not first.size:
        return np.zeros(0)
    sums: FloatArray = np.add.reduceat(values.astype(np.float64), first)
    return sums


def _settled_alike(offers: Offers) -> BoolArray:
    """Return which bets are of bookmakers that quote every outcome of the bet's line.

    The same outcome is another bet where a bookmaker lists two outcomes and others three: on a draw
    the one returns stakes, or has no such result, where the others lose.
    """
    line = offers.line_number[offers.of]
    order = np.lexsort((offers.of, offers.bets.bookmaker_id, line))
    new_book = is_new(line[order]) | is_new(offers.bets.bookmaker_id[order])
    new_outcome = new_book | is_new(offers.of[order])
    book = number(new_book)
    quoted = np.bincount(book, new_outcome)
    is_alike = np.zeros(order.size, dtype=np.bool_)
    is_alike[order] = quoted[book] == offers.line_size[line[order]]
    return is_alike


def _best(offers: Offers, rows: IntArray) -> IntArray:
    """Return the best back and lay of each outcome among some bets, −1 for none, (2, o)."""
    bets = offers.bets
    is_lay = bets.is_lay.astype(np.int64)
    order = rows[np.lexsort((bets.place[rows], -bets.odds[rows], is_lay[rows], offers.of[rows]))]
    first = order[is_new(offers.of[order]) | is_new(is_lay[order])]
    best = np.full((2, offers.market_id.size), -1, dtype=np.int64)
    best[is_lay[first], offers.of[first]] = first
    return best


def _part_returned(line: FloatArray) -> FloatArray:
    """Return the part of both stakes that comes back at the result nearest to their point.

    >>> _part_returned(np.array([np.nan, 2.5, 2.0, 2.25, -0.75])).tolist()
    [0.0, 0.0, 1.0, 0.5, 0.5]
    """
    rest = line % 1
    return np.select([rest == 0, (rest == 0.25) | (rest == 0.75)], [1.0, 0.5], 0.0)


def middles(offers: Offers, max_cost: float = np.inf) -> Middles:
    """Return the pairs of bets of one market that can both win, cheapest first in each market.

    At most `MAX_MIDDLES` of a market. Every bookmaker takes part, on lines of two outcomes: on one
    of three the result that hits the point is an outcome, and no stakes come back.

    Args:
        offers: the bets.
        max_cost: what a pair may lose at most, as a part of both stakes.

    Returns:
        With the bets' rows as `above` and `below`.
    """
    bets, of = offers.bets, offers.of
    is_two_way = offers.line_size[offers.line_number[of]] <= 2
    best, _ = _best(offers, np.flatnonzero(is_two_way & ~bets.is_lay))
    has_point = ~np.isnan(offers.line) & (best >= 0)
    above = np.flatnonzero(has_point & np.isin(offers.role, ABOVE))
    below = np.flatnonzero(has_point & np.isin(offers.role, BELOW))
    # A home side at −3.5 wins above a margin of 3.5, and the away side at +3.5 below it.
    result = np.where(np.isin(offers.role, [Role.HOME, Role.AWAY]), -offers.line, offers.line)
    found = middles_of(
        result[above],
        bets.odds[best[above]],
        result[below],
        bets.odds[best[below]],
        above_group=offers.market_id[above],
        below_group=offers.market_id[below],
        max_cost=max_cost,
    )
    market = offers.market_id[above[found.above]]
    begins = np.flatnonzero(is_new(market))
    place = np.arange(market.size) - np.repeat(begins, np.diff(begins, append=market.size))
    kept = place < MAX_MIDDLES
    return Middles(
        above=best[above[found.above[kept]]],
        below=best[below[found.below[kept]]],
        gap=found.gap[kept],
        booksum=found.booksum[kept],
        worst=found.worst[kept],
        best=found.best[kept],
        break_even=found.break_even[kept],
    )
