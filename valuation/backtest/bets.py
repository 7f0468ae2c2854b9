"""The bets of a policy on a sample, placed with the engine that values live prices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from valuation.arrays import FloatArray, IntArray, is_new
from valuation.backtest.betting_policy import BettingPolicy
from valuation.backtest.sample import Sample
from valuation.board import value
from valuation.edges import bet_odds


@dataclass(frozen=True, slots=True)
class Bets:
    """At most one bet on each outcome, and one against it; columns of shape (k,).

    Attributes:
        quote: the place of the quote in the sample.
        odds: decimal odds net of commission; of a lay those at which it backs the complement.
        ev: expected profit per unit staked that the policy claimed.
        returned: the part of the stake that it expected back as a push.
    """

    quote: IntArray
    odds: FloatArray
    ev: FloatArray
    returned: FloatArray


@dataclass(frozen=True, slots=True)
class Played:
    """The fair prices and the bets of a policy.

    Attributes:
        fair: probabilities of the outcomes by the early prices, NaN where there is none, (o,).
        bets: the bets.
    """

    fair: FloatArray
    bets: Bets


def play(sample: Sample, policy: BettingPolicy) -> Played:
    """Value the early prices and bet: on each outcome at the best net price of a venue.

    A price is bet on if its EV by the consensus of the other bookmakers reaches the policy's
    `min_edge_ev`; those that are probably a mistake (outliers, EV above `suspicious_ev`) are not,
    as they are not in the default list of edges.
    """
    quote = np.flatnonzero(np.isfinite(sample.early))
    price = sample.early[quote]
    commission = sample.kept(quote, price)
    board = sample.board(
        quote,
        price,
        weight=policy.weights_of(sample)[quote],
        group=policy.groups_of(sample.bookmakers),
        commission=commission,
    )
    valued = value(board, policy.valuation)
    fair = np.full(sample.event.size, np.nan)
    fair[valued.fair.outcome_id] = valued.fair.probability

    edges = valued.edges
    book = board.bookmaker_id[edges.row]
    is_bet = policy.venues_of(sample.bookmakers)[book]
    is_bet &= ~edges.is_outlier & (edges.ev <= policy.valuation.suspicious_ev)
    row, ev, returned = edges.row[is_bet], edges.ev[is_bet], edges.returned[is_bet]
    is_lay, outcome = board.is_lay[row], board.outcome_id[row]
    odds = bet_odds(price[row], commission[row], is_lay)
    order = np.lexsort((board.bookmaker_id[row], -odds, is_lay, outcome))
    best = order[is_new(outcome[order]) | is_new(is_lay[order])]
    return Played(fair, Bets(quote[row[best]], odds[best], ev[best], returned[best]))
