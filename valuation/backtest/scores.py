"""The judgement of a policy: its fair prices by the results, its bets by the closing prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from valuation.arrays import BoolArray, FloatArray, IntArray
from valuation.backtest.bets import Bets
from valuation.backtest.estimates import Estimate, estimate
from valuation.backtest.sample import Sample
from valuation.board import Board, value
from valuation.edges import closing_line_value
from valuation.policy import Method, ValuationPolicy

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
        matches: lines with a fair price of each outcome, one of which won.
        log_loss: mean of −ln of the probability of the outcome that came; None without lines.
        brier: mean of Σ(p − o)² over the outcomes of a line.
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
        clv_others: by the mean close of the bookmakers other than it and than the bet's own
            group.
        roi: profit per unit staked.
    """

    claimed_ev: Estimate
    clv_sharp: Estimate
    clv_others: Estimate
    roi: Estimate


def quality_of_lines(lines: Sequence[tuple[FloatArray, int]]) -> Quality:
    """Judge the fair prices of lines of any number of outcomes.

    Args:
        lines: of each the probabilities, shape (n,), and the place of the outcome that came.

    >>> sure = quality_of_lines([(np.array([0.75, 0.25]), 0), (np.array([0.25, 0.75]), 0)])
    >>> sure.matches, round(sure.log_loss, 4), sure.brier, sure.calibration_error
    (2, 0.837, 0.625, 0.25)
    """
    return quality(
        np.concatenate([np.zeros(0), *(fair for fair, _ in lines)]),
        np.concatenate([np.zeros(0), *(np.eye(fair.size)[result] for fair, result in lines)]),
    )


def quality(probability: FloatArray, came: FloatArray) -> Quality:
    """Judge the fair prices of lines by what happened, all their outcomes together.

    Args:
        probability: of each outcome of each line, shape (o,).
        came: 1 for the one outcome of each line that came, else 0, (o,).
    """
    lines = int(came.sum())
    if not lines:
        return Quality(0, None, None, None, ())
    tenths = calibration(probability, came)
    counts = np.array([tenth.count for tenth in tenths])
    misses = np.array([abs(tenth.probability - tenth.frequency) for tenth in tenths])
    return Quality(
        matches=lines,
        log_loss=float(np.mean(-np.log(probability[came > 0]))),
        brier=float(((probability - came) ** 2).sum() / lines),
        calibration_error=float(np.average(misses, weights=counts)),
        tenths=tenths,
    )


def judged_outcomes(sample: Sample, fair: FloatArray) -> BoolArray:
    """Return which outcomes are of lines whose fair prices a result judges, shape (o,).

    Each outcome of such a line has a fair price; one of them won and the others lost.

    Args:
        sample: what was played on.
        fair: probabilities of its outcomes, NaN where there is none, (o,).
    """
    if not fair.size:
        return np.zeros(0, dtype=np.bool_)
    is_won, is_lost = sample.paid == 1, (sample.back == 0) & (sample.paid == 0)
    is_sound = np.isfinite(fair) & (is_won | is_lost)
    line = sample.line_number
    is_judged = np.bincount(line, ~is_sound) == 0
    is_judged &= np.bincount(line, is_won) == 1
    judged: BoolArray = is_judged[line]
    return judged


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
    """The closing prices without margin, of a sample.

    Attributes:
        of_sharp: the probability of each outcome by the close of the bookmaker that judges alone,
            NaN where it has none, shape (o,).
        of_others: that of each quote's outcome by the mean close, in log-odds, of the other groups
            of bookmakers, NaN where there are none, (q,). Neither of the one that judges alone, so
            that the two judgements are independent, nor of the quote's own, which would judge
            itself.
        is_sharp: whether each quote is of the bookmaker that judges alone, (q,).
    """

    of_sharp: FloatArray
    of_others: FloatArray
    is_sharp: BoolArray


def judges(sample: Sample, method: Method, sharp: str) -> Judges:
    """Return the judges of bets on a sample, the same ones for all policies."""
    keys = sample.bookmakers.keys
    is_sharp = sample.bookmaker == (keys.index(sharp) if sharp in keys else -1)
    rules = replace(_JUDGING, method=method)
    quote = np.flatnonzero(np.isfinite(sample.close))
    is_other = ~is_sharp[quote]
    valued = value(_closes(sample, quote, is_other.astype(np.float64)), rules)
    # All quotes of a group on an outcome are judged alike, also those without a close.
    voice = sample.outcome * len(keys) + sample.bookmakers.group[sample.bookmaker]
    by_voice = np.full(sample.event.size * len(keys), np.nan)
    by_voice[voice[quote[valued.edges.row]]] = valued.edges.probability
    # One that was not measured is not in the consensus of all, unless it is all of it.
    of_all, books = np.full(sample.event.size, np.nan), np.zeros(sample.event.size, dtype=np.int64)
    of_all[valued.fair.outcome_id] = valued.fair.probability
    books[valued.fair.outcome_id] = valued.fair.books
    is_alone = np.isin(voice, voice[quote[is_other]]) & (books[sample.outcome] == 1)
    of_rest = np.where(is_alone, np.nan, of_all[sample.outcome])
    of_others = np.where(np.isnan(by_voice[voice]), of_rest, by_voice[voice])

    own = quote[is_sharp[quote]]
    alone = value(_closes(sample, own, np.ones(own.size)), rules).fair
    of_sharp = np.full(sample.event.size, np.nan)
    of_sharp[alone.outcome_id] = alone.probability
    return Judges(of_sharp, of_others, is_sharp)


def _closes(sample: Sample, quote: IntArray, weight: FloatArray) -> Board:
    """Return the board of some closes, before commission."""
    return sample.board(
        quote,
        sample.close[quote],
        weight=weight,
        group=sample.bookmakers.group,
        commission=np.zeros(quote.size),
    )


_JUDGING = ValuationPolicy(
    min_books=1,
    min_booksum=0.0,
    max_booksum=1e9,
    outlier_floor=1e9,
    min_edge_ev=-1.0,
)
"""Every complete close counts the same, and each quote is measured by the others."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Bets with what they came to, of any number of samples; columns of shape (k,).

    Attributes:
        event: the event of each.
        ev: the claimed expected profit per unit staked.
        clv_sharp: closing line value by the one bookmaker that judges; NaN without its close.
        clv_others: by the mean close of the others; NaN without one.
        profit: per unit staked, of a lay per unit of liability; NaN without a grade.
        is_sharp: whether the bet is at the bookmaker that judges.
    """

    event: IntArray
    ev: FloatArray
    clv_sharp: FloatArray
    clv_others: FloatArray
    profit: FloatArray
    is_sharp: BoolArray

    def those(self, wanted: BoolArray) -> Judged:
        """Return some of them."""
        return Judged(*(getattr(self, each.name)[wanted] for each in fields(self)))

    def scores(self) -> BetScores:
        """Return their means with the errors."""
        columns = self.ev, self.clv_sharp, self.clv_others, self.profit
        return BetScores(*(estimate(column, self.event) for column in columns))


def joined(parts: Sequence[Judged]) -> Judged:
    """Return the bets of several samples together, one part at least."""
    return Judged(
        *(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(Judged))
    )


def judge(bets: Bets, sample: Sample, by: Judges, first_event: int = 0) -> Judged:
    """Judge bets by the closing prices and by the results.

    A part of the stake that is expected back as a push is not at risk, for CLV as for EV.

    Args:
        bets: on the sample.
        sample: what was played on.
        by: its judges.
        first_event: the number of its first event.
    """
    quote = bets.quote
    outcome, is_lay = sample.outcome[quote], sample.is_lay[quote]
    at_risk = 1 - np.nan_to_num(bets.returned)

    def clv(probability: FloatArray) -> FloatArray:
        winning = np.where(is_lay, 1 - probability, probability)
        return at_risk * closing_line_value(winning, bets.odds)

    back, paid = sample.back[outcome], sample.paid[outcome]
    # A bet against an outcome is paid what a bet on it loses.
    paid = np.where(is_lay, 1 - back - paid, paid)
    return Judged(
        event=first_event + sample.event[outcome],
        ev=bets.ev,
        clv_sharp=clv(by.of_sharp[outcome]),
        clv_others=clv(by.of_others[quote]),
        profit=back + paid * bets.odds - 1,
        is_sharp=by.is_sharp[quote],
    )
