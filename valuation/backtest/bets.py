"""The bets of a policy on recorded matches, placed with the engine that values live prices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from valuation.arrays import BoolArray, FloatArray, IntArray, is_new
from valuation.backtest.betting_policy import BettingPolicy
from valuation.backtest.history import History
from valuation.board import Board, value
from valuation.edges import net_back


@dataclass(frozen=True, slots=True)
class Bets:
    """At most one bet for each match and outcome; columns of shape (k,).

    Attributes:
        match: the match's place in the history.
        outcome: what is bet on.
        bookmaker: the place of the bookmaker.
        odds: decimal odds net of commission.
        ev: expected profit per unit staked that the policy claimed.
    """

    match: IntArray
    outcome: IntArray
    bookmaker: IntArray
    odds: FloatArray
    ev: FloatArray

    def those(self, wanted: BoolArray) -> Bets:
        """Return some of them."""
        return Bets(
            match=self.match[wanted],
            outcome=self.outcome[wanted],
            bookmaker=self.bookmaker[wanted],
            odds=self.odds[wanted],
            ev=self.ev[wanted],
        )


@dataclass(frozen=True, slots=True)
class Played:
    """The fair prices and the bets of a policy.

    Attributes:
        fair: probabilities of the outcomes by the early prices, NaN where there is none, (m, n).
        bets: the bets.
    """

    fair: FloatArray
    bets: Bets


def play(history: History, policy: BettingPolicy) -> Played:
    """Value the early prices and bet: per match and outcome, at the best net price of a venue.

    A price is bet on if its EV by the consensus of the other bookmakers reaches the policy's
    `min_edge_ev`; those that are probably a mistake (outliers, EV above `suspicious_ev`) are not,
    as they are not in the default list of edges.
    """
    outcomes = history.early.shape[2]
    match, book, outcome = np.nonzero(np.isfinite(history.early))
    price = history.early[match, book, outcome]
    commission = history.kept(price, book)
    weights = policy.weights_of(history.bookmakers)[book]
    valued = value(
        Board(
            market_id=match,
            outcome_id=match * outcomes + outcome,
            line=np.full(match.size, np.nan),
            bookmaker_id=book,
            is_lay=np.zeros(match.size, dtype=np.bool_),
            price=price,
            weight=weights,
            commission=commission,
            is_stale=np.zeros(match.size, dtype=np.bool_),
        ),
        policy.valuation,
    )
    fair = np.full((history.result.size, outcomes), np.nan)
    fair.ravel()[valued.fair.outcome_id] = valued.fair.probability

    edges = valued.edges
    is_bet = policy.venues_of(history.bookmakers)[book[edges.row]]
    is_bet &= ~edges.is_outlier & (edges.ev <= policy.valuation.suspicious_ev)
    row, ev = edges.row[is_bet], edges.ev[is_bet]
    odds = net_back(price[row], commission[row])
    order = np.lexsort((book[row], -odds, outcome[row], match[row]))
    row, ev, odds = row[order], ev[order], odds[order]
    best = is_new(match[row]) | is_new(outcome[row])
    row = row[best]
    return Played(fair, Bets(match[row], outcome[row], book[row], odds[best], ev[best]))
