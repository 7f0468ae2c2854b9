"""The judgement of a policy: its fair prices by the results, its bets by the closing prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from valuation.arrays import FloatArray, IntArray
from valuation.backtest.bets import Bets
from valuation.backtest.estimates import Estimate, estimate
from valuation.backtest.history import History, fair_log_odds, mean_of_bookmakers
from valuation.edges import closing_line_value
from valuation.policy import Method

TENTHS = 10


@dataclass(frozen=True, slots=True)
class Tenth:
    """The fair prices within a tenth of the probability scale.

    Attributes:
        low: the tenth's lower end.
        count: of fair prices in it.
        probability: their mean.
        frequency: how many of those outcomes came, as a part.
        standard_error: of the frequency, if the fair prices are right.
    """

    low: float
    count: int
    probability: float
    frequency: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class Quality:
    """Fair prices against results.

    Attributes:
        matches: those, or the lines, with a fair price of each outcome.
        log_loss: mean of −ln of the probability of the outcome that came; None without matches.
        brier: mean of Σ(p − o)² over the outcomes of a match.
        calibration_error: mean of |probability − frequency| over the tenths, by their counts.
        tenths: the tenths that have a fair price.
    """

    matches: int
    log_loss: float | None
    brier: float | None
    calibration_error: float | None
    tenths: Sequence[Tenth]


@dataclass(frozen=True, slots=True)
class BetScores:
    """Bets against closing prices and results.

    Attributes:
        claimed_ev: mean EV that was claimed.
        clv_sharp: closing line value by the close of the one bookmaker that judges.
        clv_others: by the mean close of the bookmakers other than it and than the bet's own.
        roi: profit per unit staked.
    """

    claimed_ev: Estimate
    clv_sharp: Estimate
    clv_others: Estimate
    roi: Estimate


def quality(fair: FloatArray, result: IntArray) -> Quality:
    """Judge fair prices by what happened.

    Args:
        fair: probabilities, NaN where there is none, shape (m, n).
        result: the outcome that came, (m,).

    >>> sure = quality(
    ...     np.array([[0.75, 0.25], [0.25, 0.75], [np.nan, np.nan]]), np.array([0, 0, 0])
    ... )
    >>> sure.matches, round(sure.log_loss, 4), sure.brier, sure.calibration_error
    (2, 0.837, 0.625, 0.25)
    """
    is_known = np.isfinite(fair).all(axis=1)
    return quality_of_lines(list(zip(fair[is_known], result[is_known].tolist(), strict=True)))


def quality_of_lines(lines: Sequence[tuple[FloatArray, int]]) -> Quality:
    """Judge the fair prices of lines of any number of outcomes.

    Args:
        lines: of each the probabilities, shape (n,), and the place of the outcome that came.
    """
    if not lines:
        return Quality(0, None, None, None, ())
    came = [np.eye(fair.size)[result] for fair, result in lines]
    tenths = calibration(np.concatenate([fair for fair, _ in lines]), np.concatenate(came))
    counts = np.array([tenth.count for tenth in tenths])
    misses = np.array([abs(tenth.probability - tenth.frequency) for tenth in tenths])
    squares = [((fair - of) ** 2).sum() for (fair, _), of in zip(lines, came, strict=True)]
    return Quality(
        matches=len(lines),
        log_loss=float(np.mean([-np.log(fair[result]) for fair, result in lines])),
        brier=float(np.mean(squares)),
        calibration_error=float(np.average(misses, weights=counts)),
        tenths=tenths,
    )


def calibration(probability: FloatArray, came: FloatArray) -> list[Tenth]:
    """Compare probabilities with how often their outcomes came, tenth by tenth."""
    tenth = np.minimum((probability * TENTHS).astype(np.int64), TENTHS - 1)
    found = []
    for number in np.unique(tenth).tolist():
        p, o = probability[tenth == number], came[tenth == number]
        error = float(np.sqrt((p * (1 - p)).sum()) / p.size)
        found.append(Tenth(number / TENTHS, p.size, float(p.mean()), float(o.mean()), error))
    return found


@dataclass(frozen=True, slots=True)
class Judges:
    """The closing prices without margin.

    Attributes:
        log_odds: of each bookmaker, NaN where it has none, shape (m, b, n).
        sharp: the place of the bookmaker that judges.
    """

    log_odds: FloatArray
    sharp: int

    def by_sharp(self, bets: Bets) -> FloatArray:
        """Return the CLV of each bet by the close of the one that judges."""
        return _clv(self.log_odds[bets.match, self.sharp], bets)

    def by_others(self, bets: Bets) -> FloatArray:
        """Return the CLV by the mean close, in log-odds, of the other bookmakers.

        Neither the one that judges alone, so that the two judgements are independent, nor the bet's
        own, which would judge itself.
        """
        others = self.log_odds[bets.match]
        others[:, self.sharp] = np.nan
        others[np.arange(bets.match.size), bets.bookmaker] = np.nan
        return _clv(mean_of_bookmakers(others)[:, 0], bets)


def judges(history: History, method: Method, sharp: str) -> Judges:
    """Return the judges of bets, the same ones for all policies.

    Raises:
        ValueError: the history has no bookmaker of that name.
    """
    return Judges(fair_log_odds(history.close, method), history.bookmakers.index(sharp))


def judge(bets: Bets, history: History, by: Judges) -> BetScores:
    """Judge bets by the closing prices and by the results."""
    return BetScores(
        claimed_ev=estimate(bets.ev, bets.match),
        clv_sharp=estimate(by.by_sharp(bets), bets.match),
        clv_others=estimate(by.by_others(bets), bets.match),
        roi=estimate(profits(bets, history), bets.match),
    )


def profits(bets: Bets, history: History) -> FloatArray:
    """Return the profit of each bet per unit staked."""
    return np.where(history.result[bets.match] == bets.outcome, bets.odds, 0.0) - 1


def _clv(log_odds: FloatArray, bets: Bets) -> FloatArray:
    p = 1 / (1 + np.exp(-log_odds))
    p /= p.sum(axis=1, keepdims=True)
    return closing_line_value(p[np.arange(bets.match.size), bets.outcome], bets.odds)
