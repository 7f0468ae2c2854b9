"""Learning bookmakers' weights from how well their early prices say the closes of the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from valuation.arrays import FloatArray
from valuation.backtest.bets import Played, play
from valuation.backtest.betting_policy import BettingPolicy
from valuation.backtest.history import History, fair_log_odds, mean_of_bookmakers
from valuation.backtest.sample import Sample
from valuation.backtest.simplex import simplex_least_squares

MIN_WEIGHT = 0.02
"""The least share of a bookmaker that is learnt.

With 0 it would count neither towards `min_books` nor in the rule of outliers. With a fiftieth it
does, and hardly moves the pool.
"""

MIN_COVERAGE = 0.05
"""A bookmaker that quotes fewer of the matches is not learnt."""


class LearningError(ValueError):
    """A history from which no weights can be learnt."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The distance of pools of early prices from closes.

    Attributes:
        equal: mean squared error in log-odds with equal weights.
        present: with those of the policy that the learnt ones are compared with.
        learnt: with the learnt ones.
    """

    equal: float
    present: float
    learnt: float


@dataclass(frozen=True, slots=True)
class Fold:
    """A season that was tested with weights of the others.

    Attributes:
        season: its name.
        weights: bookmaker → weight, of the other seasons; they sum to 1.
        in_sample: on the other seasons.
        out_of_sample: on this one.
    """

    season: str
    weights: Mapping[str, float]
    in_sample: Fit
    out_of_sample: Fit


@dataclass(frozen=True, slots=True)
class Learnt:
    """Weights, with the evidence for them.

    Attributes:
        weights: bookmaker → weight, of all seasons; they sum to 1.
        in_sample: on all seasons.
        folds: each season by the weights of the others.
    """

    weights: Mapping[str, float]
    in_sample: Fit
    folds: Sequence[Fold]

    @property
    def out_of_sample(self) -> Fit:
        """The mean of the seasons, each by the weights of the others."""
        tested = [fold.out_of_sample for fold in self.folds]
        return Fit(
            equal=fmean(fit.equal for fit in tested),
            present=fmean(fit.present for fit in tested),
            learnt=fmean(fit.learnt for fit in tested),
        )


@dataclass(frozen=True, slots=True)
class Regression:
    """The least-squares problem of a history.

    For each bookmaker in turn, its close is the target and its own early price takes no part: it is
    replaced by the mean of the others', as that of one that does not quote is. So no bookmaker gets
    weight for being like itself, and equal weights are the mean of the others.

    Attributes:
        predictors: early log-odds, shape (rows, bookmakers); a row a match, outcome and target.
        target: the close's log-odds, (rows,).
    """

    predictors: FloatArray
    target: FloatArray

    def fit(self, weights: FloatArray) -> float:
        """Return the mean squared error of weights."""
        return float(((self.predictors @ weights - self.target) ** 2).mean())


def learn(history: History, like: BettingPolicy, on_step: Callable[[], None]) -> Learnt:
    """Learn weights from all seasons, and test each season with those of the others.

    Args:
        history: matches of two seasons or more.
        like: the policy whose weights the learnt ones are compared with.
        on_step: called after each season, and at the end.

    Raises:
        LearningError: fewer than two seasons, or than three bookmakers that quote enough.
    """
    seasons = np.unique(history.season)
    if seasons.size < 2:
        raise LearningError("Weights are tested on another season: give two seasons or more.")
    folds = []
    for season in seasons.tolist():
        is_tested = history.season == season
        train, test = history.during(~is_tested), history.during(is_tested)
        weights, in_sample = _learn(train, like)
        bookmakers = tuple(weights)
        problem = regression(test, bookmakers)
        if not problem.target.size:
            raise LearningError(f"Nobody in {history.seasons[season]} quotes in other seasons too.")
        fit = _fit(problem, weights, like)
        folds.append(Fold(history.seasons[season], weights, in_sample, fit))
        on_step()
    weights, in_sample = _learn(history, like)
    on_step()
    return Learnt(weights, in_sample, folds)


def with_weights(name: str, weights: Mapping[str, float], like: BettingPolicy) -> BettingPolicy:
    """Return a policy with learnt weights.

    A bookmaker that was not learnt counts like the mean of those that were.
    """
    return replace(like, name=name, weights=weights, other_weight=1 / len(weights))


def play_out_of_sample(sample: Sample, learnt: Learnt, like: BettingPolicy) -> Played:
    """Play the sample of one season with the weights of the others."""
    (season,) = sample.periods
    (fold,) = (fold for fold in learnt.folds if fold.season == season)
    return play(sample, with_weights(like.name, fold.weights, like))


def regression(history: History, bookmakers: Sequence[str]) -> Regression:
    """Lay the matches out for least squares, with the bookmakers that are to get weights."""
    places = [history.bookmakers.index(key) for key in bookmakers]
    early = fair_log_odds(history.early[:, places], "power")
    close = fair_log_odds(history.close[:, places], "power")
    predictors, targets = [], []
    for left_out in range(len(places)):
        others = early.copy()
        others[:, left_out] = np.nan
        filled = _filled(others)
        is_known = np.isfinite(close[:, left_out]).all(axis=1) & np.isfinite(filled).all(
            axis=(1, 2)
        )
        predictors.append(np.moveaxis(filled[is_known], 1, 2).reshape(-1, len(places)))
        targets.append(close[is_known, left_out].ravel())
    return Regression(np.concatenate(predictors), np.concatenate(targets))


def _learn(history: History, like: BettingPolicy) -> tuple[dict[str, float], Fit]:
    bookmakers = covering(history)
    if len(bookmakers) < 3:
        raise LearningError("Weights need three bookmakers or more that quote most matches.")
    problem = regression(history, bookmakers)
    found = simplex_least_squares(problem.predictors, problem.target, MIN_WEIGHT)
    weights = dict(zip(bookmakers, found.tolist(), strict=True))
    return weights, _fit(problem, weights, like)


def covering(history: History) -> tuple[str, ...]:
    """Return the bookmakers with early and closing prices of enough matches."""
    quoted = np.isfinite(history.early).all(axis=2) & np.isfinite(history.close).all(axis=2)
    share = quoted.mean(axis=0)
    return tuple(
        key for key, of in zip(history.bookmakers, share, strict=True) if of >= MIN_COVERAGE
    )


def _fit(problem: Regression, weights: Mapping[str, float], like: BettingPolicy) -> Fit:
    present = like.weights_by_key([*weights])
    return Fit(
        equal=problem.fit(np.full(len(weights), 1 / len(weights))),
        present=problem.fit(present / present.sum()),
        learnt=problem.fit(np.array([*weights.values()])),
    )


def _filled(log_odds: FloatArray) -> FloatArray:
    """Replace what is missing by the mean of the bookmakers that quote, shape (m, b, n)."""
    return np.where(np.isfinite(log_odds), log_odds, mean_of_bookmakers(log_odds))
