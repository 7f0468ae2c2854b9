"""The worth of a price against fair probabilities and against other prices.

Arrays broadcast; every array function also takes NumPy scalars.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from valuation.arrays import BoolArray, FloatArray, IntArray
from valuation.devig import checked
from valuation.policy import ValuationPolicy


def effective_commission(
    price: FloatArray, rate: FloatArray, is_lay: BoolArray, is_contract: BoolArray
) -> FloatArray:
    """Return the part of its net winnings that a bet pays as a fee, at its price.

    A commission on winnings is that part already. Of a contract of 1 bought at q, which is 1/d for
    a back and 1 − 1/L for a lay, the fee is rate · q · (1 − q), won or lost. So it costs
    q + rate · q · (1 − q) to get 1, and the net odds are one over that: as after a commission of
    rate / (1 + rate · (1 − q)).

    Args:
        price: decimal odds, of a back or a lay.
        rate: the rate of the fee, in [0, 1); NaN where that is not known, and so is the part.
        is_lay: whether the price is for laying the outcome.
        is_contract: whether the fee is that of contracts.

    >>> back, lay = effective_commission(
    ...     np.array([2.5, 2.5]), np.array(0.07), np.array([False, True]), np.array(True)
    ... ).tolist()
    >>> round(back, 5), round(lay, 5)
    (0.06718, 0.06809)
    """
    implied = 1 / price
    cost = np.where(is_lay, 1 - implied, implied)
    return np.where(is_contract, rate / (1 + rate * (1 - cost)), rate)


def net_back(odds: FloatArray, commission: FloatArray) -> FloatArray:
    """Return the decimal odds of a back bet after commission on its winnings, 1 + (d − 1)(1 − c).

    >>> float(net_back(np.array(2.0), np.array(0.05)))
    1.95
    """
    return 1 + (odds - 1) * (1 - commission)


def net_lay(odds: FloatArray, commission: FloatArray) -> FloatArray:
    """Return the commission-free lay odds as good as laying at `odds`, (L − c)/(1 − c).

    >>> float(net_lay(np.array(2.0), np.array(0.05)).round(3))
    2.053
    """
    return (odds - commission) / (1 - commission)


def lay_as_back(odds: FloatArray, commission: FloatArray) -> FloatArray:
    """Return the net decimal odds at which a lay bet backs the complement, 1 + (1 − c)/(L − 1).

    The stake of that back bet is the lay bet's liability, L − 1 per unit laid, so EV and Kelly
    fraction of a lay bet are per unit of liability.

    >>> float(lay_as_back(np.array(3.0), np.array(0.02)))
    1.49
    """
    return 1 + (1 - commission) / (odds - 1)


def bet_odds(price: FloatArray, commission: FloatArray, is_lay: BoolArray) -> FloatArray:
    """Return the net decimal odds of bets: laying an outcome is backing its complement.

    >>> bet_odds(np.array([2.0, 3.0]), np.array([0.05, 0.02]), np.array([False, True])).tolist()
    [1.95, 1.49]
    """
    return np.where(is_lay, lay_as_back(price, commission), net_back(price, commission))


def net_price(price: float, side: str, commission: float | None) -> float | None:
    """Return one price after commission; None where the commission is not known.

    >>> net_price(3.6, "lay", 0.05), net_price(2.0, "back", 0.05), net_price(2.0, "back", None)
    (3.7368421052631584, 1.95, None)
    """
    if commission is None:
        return None
    net = net_lay if side == "lay" else net_back
    return float(net(np.array(price), np.array(commission)))


def expected_value(probability: FloatArray, odds: FloatArray) -> FloatArray:
    """Return the expected profit per unit staked, p·d − 1.

    >>> float(expected_value(np.array(0.5), np.array(2.5)))
    0.25
    """
    return probability * odds - 1


def kelly(probability: FloatArray, odds: FloatArray) -> FloatArray:
    """Return the full Kelly stake, (p·d − 1)/(d − 1) of the bankroll; 0 if the EV is negative.

    Source: Kelly (1956), "A new interpretation of information rate".

    >>> float(kelly(np.array(0.5), np.array(2.5)).round(4))
    0.1667
    """
    return np.maximum(expected_value(probability, odds) / (odds - 1), 0.0)


def advised_stake(full_kelly: FloatArray, policy: ValuationPolicy) -> FloatArray:
    """Return the stake to advise: a part of full Kelly, capped, as a fraction of the bankroll.

    >>> advised_stake(np.array([0.04, 0.1667]), ValuationPolicy()).tolist()
    [0.01, 0.02]
    """
    return np.minimum(full_kelly * policy.kelly_fraction, policy.kelly_cap)


def hold(booksum: FloatArray) -> FloatArray:
    """Return the part of all stakes that a bookmaker keeps if its book is balanced, 1 − 1/B.

    >>> float(hold(np.array(1.05)).round(5))
    0.04762
    """
    return 1 - 1 / booksum


def closing_line_value(closing_probability: FloatArray, entry_odds: FloatArray) -> FloatArray:
    """Return the EV of a bet by the closing line without its margin, p_close·d_entry − 1.

    >>> float(closing_line_value(np.array(0.52), np.array(2.0)).round(4))
    0.04
    """
    return expected_value(closing_probability, entry_odds)


@dataclass(frozen=True, slots=True)
class Arbitrage:
    """The stakes that back every outcome of a line, each at its best price.

    Attributes:
        booksum: S = Σ 1/d, shape (m,). Below 1 the profit is certain; just above 1 it is a
            low-hold line. Either kind is ranked by it.
        profit: the return for any result, 1/S − 1 of all that is staked, shape (m,).
        stakes: the part staked on each outcome, (1/d)/S, shape (m, n).
    """

    booksum: FloatArray
    profit: FloatArray
    stakes: FloatArray


def arbitrage(best_odds: npt.ArrayLike) -> Arbitrage:
    """Return the stakes by which every outcome returns the same.

    Args:
        best_odds: for each outcome the best decimal odds of any bookmaker, net of commission,
            shape (m, n).

    Raises:
        PriceError: the odds have another shape, or a price is not finite or not above 1.

    >>> sure = arbitrage([[3.10, 3.50, 3.10]])
    >>> sure.profit.round(4).tolist(), sure.stakes.round(4).tolist()
    ([0.0743], [[0.3465, 0.3069, 0.3465]])
    """
    implied = 1 / checked(best_odds)
    booksum = implied.sum(axis=1)
    return Arbitrage(booksum, 1 / booksum - 1, implied / booksum[:, np.newaxis])


def returned(
    result: FloatArray, point: FloatArray, odds: FloatArray, *, is_above: bool
) -> FloatArray:
    """Return what a bet with a point pays per unit staked once the result is known, stake included.

    These are the odds where it wins, 1 where the result hits the point and the stake comes back,
    and 0 where it loses. With a quarter point, half the stake is on either half point beside it.
    Arrays broadcast.

    Args:
        result: a whole number: a score, or a winning margin.
        point: where bets on more begin to win, and bets on less cease to.
        odds: net decimal odds.
        is_above: True for a bet on more.

    >>> float(returned(np.array(46), np.array(46.0), np.array(1.95), is_above=False))
    1.0
    >>> float(returned(np.array(2), np.array(2.25), np.array(1.9), is_above=True))
    0.5
    """
    is_quarter = ((4 * point) % 1 == 0) & ((2 * point) % 1 != 0)
    beside = np.where(is_quarter, 0.25, 0.0)
    halves = (point - beside, point + beside)
    total = sum(_of_half(result, half, odds, is_above=is_above) for half in halves)
    paid: FloatArray = np.asarray(total) / 2
    return paid


def _of_half(
    result: FloatArray, point: FloatArray, odds: FloatArray, *, is_above: bool
) -> FloatArray:
    won = result > point if is_above else result < point
    return np.where(won, odds, np.where(result == point, 1.0, 0.0))


@dataclass(frozen=True, slots=True)
class Middles:
    """Pairs of bets on one market that can both win when the result falls between their points.

    Stakes are in proportion to 1/d, so that either bet alone returns the same: with
    S = 1/d_above + 1/d_below one win returns 1/S of what was staked. What the pair returns when
    both win depends on the points: 2/S where a whole number lies strictly between them, less where
    a result that wins one bet only returns the stake of the second, or half of it.

    Attributes:
        above: index of the bet that wins above its point, shape (pairs,).
        below: index of the bet that wins below its point.
        gap: the distance between the two points: the width of the middle.
        booksum: S.
        worst: the lowest profit that any result leads to, of what was staked.
        best: the highest.
        break_even: the probability of the best result at which the pair pays for itself, the
            worst happening otherwise: −worst / (best − worst); not above 0 for an arbitrage.
    """

    above: IntArray
    below: IntArray
    gap: FloatArray
    booksum: FloatArray
    worst: FloatArray
    best: FloatArray
    break_even: FloatArray


def middles(
    above_points: FloatArray,
    above_odds: FloatArray,
    below_points: FloatArray,
    below_odds: FloatArray,
    *,
    above_group: IntArray | None = None,
    below_group: IntArray | None = None,
    max_cost: float = np.inf,
) -> Middles:
    """Find every middle among the bets on one market, or on several, by `break_even`.

    A total's over wins above its point and its under below it. The home side of a spread wins
    above the negative of its point, −line, on the scale of its winning margin, and the away side
    below it: pass −line for both. Results are whole numbers.

    Args:
        above_points: where the bets on more begin to win, shape (a,).
        above_odds: their net decimal odds, shape (a,).
        below_points: where the bets on less cease to win, shape (b,).
        below_odds: their net decimal odds, shape (b,).
        above_group: their markets, shape (a,); all bets are of one if not given.
        below_group: their markets, shape (b,).
        max_cost: pairs that may lose more than this part of both stakes are left out.

    Returns:
        The pairs with a result that pays more than one win alone, market by market.

    >>> pair = middles(*(np.array([v]) for v in (45.5, 1.95, 47.5, 1.95)))
    >>> [float(v[0].round(4)) for v in (pair.gap, pair.worst, pair.best, pair.break_even)]
    [2.0, -0.025, 0.95, 0.0256]
    >>> whole = middles(*(np.array([v]) for v in (45.0, 1.95, 46.0, 1.95)))
    >>> [float(v[0].round(4)) for v in (whole.gap, whole.worst, whole.best, whole.break_even)]
    [1.0, -0.025, 0.475, 0.05]
    """
    if above_group is None or below_group is None:
        above_group = np.zeros(above_points.shape, dtype=np.int64)
        below_group = np.zeros(below_points.shape, dtype=np.int64)
    above, below = _pairs(above_group, below_group)
    booksum = 1 / above_odds[above] + 1 / below_odds[below]
    # No result is worse than `worst`, and one win alone is never worse than that.
    possible = np.flatnonzero(
        (below_points[below] > above_points[above]) & (1 / booksum - 1 >= -max_cost)
    )
    above, below, booksum = above[possible], below[possible], booksum[possible]
    low, high = above_points[above], below_points[below]
    of_above, of_below = above_odds[above], below_odds[below]
    results = _telling_results(low, high)
    # A stake of (1/d)/S each.
    paid = (
        returned(results, low, of_above, is_above=True) / of_above
        + returned(results, high, of_below, is_above=False) / of_below
    ) / booksum
    worst, best = paid.min(axis=0) - 1, paid.max(axis=0) - 1
    pair = np.flatnonzero((best > 1 / booksum - 1 + _ROUNDING) & (worst >= -max_cost))
    break_even = -worst[pair] / (best[pair] - worst[pair])
    order = np.lexsort((below[pair], above[pair], break_even, above_group[above[pair]]))
    pair, break_even = pair[order], break_even[order]
    return Middles(
        above=above[pair],
        below=below[pair],
        gap=(high - low)[pair],
        booksum=booksum[pair],
        worst=worst[pair],
        best=best[pair],
        break_even=break_even,
    )


def _pairs(above_group: IntArray, below_group: IntArray) -> tuple[IntArray, IntArray]:
    """Return the indexes of all pairs of the same group.

    >>> above, below = _pairs(np.array([7, 9]), np.array([9, 7, 9]))
    >>> list(zip(above.tolist(), below.tolist()))
    [(0, 1), (1, 0), (1, 2)]
    """
    order = np.argsort(below_group, kind="stable")
    sorted_group = below_group[order]
    begin = np.searchsorted(sorted_group, above_group, side="left")
    count = np.searchsorted(sorted_group, above_group, side="right") - begin
    above = np.repeat(np.arange(above_group.size), count)
    place = np.arange(above.size) - np.repeat(np.cumsum(count) - count, count)
    return above, order[np.repeat(begin, count) + place]


_ROUNDING = 1e-12


def _telling_results(low: FloatArray, high: FloatArray) -> FloatArray:
    """Return whole numbers among which every way to settle two bets occurs, shape (9, pairs).

    A bet is won or lost alike by all results further than one from its point.
    """
    begin, end = np.floor(low), np.ceil(high)
    return np.stack(
        [begin - 1, begin, begin + 1, begin + 2, end - 2, end - 1, end, end + 1, end + 2]
    )
