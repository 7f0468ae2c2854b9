"""Recorded matches as columns: early prices, closing prices and results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from betting.bookmaker_terms import terms_of
from valuation.arrays import BoolArray, FloatArray, IntArray
from valuation.backtest.sample import Bookmakers, Sample
from valuation.consensus import log_odds
from valuation.devig import devig
from valuation.policy import Method
from valuation.results.football_data import OUTCOMES, Match


@dataclass(frozen=True, slots=True)
class History:
    """Matches of n outcomes with the prices of b bookmakers; NaN where one quotes none.

    Attributes:
        bookmakers: their keys, in alphabetical order.
        early: decimal odds some time before the match, before commission, shape (m, b, n).
        close: the last ones before it, (m, b, n).
        result: the outcome that came, (m,).
        season: each match's, as a place in `seasons`, (m,).
        seasons: their names, in alphabetical order.
    """

    bookmakers: tuple[str, ...]
    early: FloatArray
    close: FloatArray
    result: IntArray
    season: IntArray
    seasons: tuple[str, ...]

    def during(self, is_wanted: BoolArray) -> History:
        """Return the matches that are wanted."""
        return History(
            self.bookmakers,
            self.early[is_wanted],
            self.close[is_wanted],
            self.result[is_wanted],
            self.season[is_wanted],
            self.seasons,
        )


def history_of(matches: Sequence[Match]) -> History:
    """Lay matches out as columns, in the order of time.

    Two teams meet once a day: a match that is in two files counts once, as the last one has it.
    """
    once = {(match.start.date(), match.home, match.away): match for match in matches}
    matches = sorted(once.values(), key=lambda match: (match.start, match.home))
    bookmakers = tuple(sorted({key for match in matches for key in (*match.early, *match.close)}))
    seasons = tuple(sorted({match.season for match in matches}))
    early, close = (np.full((len(matches), len(bookmakers), len(OUTCOMES)), np.nan) for _ in "ec")
    place = {key: at for at, key in enumerate(bookmakers)}
    for at, match in enumerate(matches):
        for table, books in ((early, match.early), (close, match.close)):
            for key, prices in books.items():
                table[at, place[key]] = prices
    return History(
        bookmakers=bookmakers,
        early=early,
        close=close,
        result=np.array([match.result for match in matches], dtype=np.int64),
        season=np.array([seasons.index(match.season) for match in matches], dtype=np.int64),
        seasons=seasons,
    )


def samples_of(history: History) -> list[Sample]:
    """Return a sample for each season, as if a match were a market of one line.

    The bookmakers have the shipped terms, and no two of them share a price.
    """
    terms = [terms_of(key) for key in history.bookmakers]
    bookmakers = Bookmakers(
        keys=history.bookmakers,
        group=np.arange(len(terms)),
        rate=np.array([np.nan if of.commission is None else of.commission for of in terms]),
        is_contract=np.array([of.fee_model == "contract" for of in terms], dtype=np.bool_),
        is_venue=np.array([of.is_venue for of in terms], dtype=np.bool_),
    )
    weight = np.array([of.weight for of in terms])
    return [
        _sample(history.during(history.season == number), bookmakers, weight, season)
        for number, season in enumerate(history.seasons)
    ]


def _sample(of: History, bookmakers: Bookmakers, weight: FloatArray, season: str) -> Sample:
    matches, _, outcomes = of.early.shape
    match, book, place = np.nonzero(np.isfinite(of.early) | np.isfinite(of.close))
    event = np.repeat(np.arange(matches), outcomes)
    size = matches * outcomes
    paid = np.zeros(size)
    paid[np.arange(matches) * outcomes + of.result] = 1.0
    return Sample(
        bookmakers=bookmakers,
        events=matches,
        periods=(season,),
        event=event,
        market=event,
        line_number=event,
        point=np.full(size, np.nan),
        role=np.zeros(size, dtype=np.int64),
        back=np.zeros(size),
        paid=paid,
        outcome=match * outcomes + place,
        bookmaker=book,
        is_lay=np.zeros(match.size, dtype=np.bool_),
        weight=weight[book],
        early=of.early[match, book, place],
        close=of.close[match, book, place],
    )


def fair_log_odds(prices: FloatArray, method: Method) -> FloatArray:
    """Return the log-odds of each bookmaker's prices without its margin, NaN where it has none.

    Args:
        prices: shape (m, b, n), whole books.
        method: the de-vig method; a book that it gives a probability outside (0, 1) has none.
    """
    found = np.full(prices.shape, np.nan)
    is_quoted = np.isfinite(prices).all(axis=2)
    if is_quoted.any():
        probabilities = devig(prices[is_quoted], method).probabilities
        is_sound = ((probabilities > 0) & (probabilities < 1)).all(axis=1, keepdims=True)
        logits = log_odds(np.where(is_sound, probabilities, 0.5))
        found[is_quoted] = np.where(is_sound, logits, np.nan)
    return found


def mean_of_bookmakers(log_odds: FloatArray) -> FloatArray:
    """Return the mean of the bookmakers that have log-odds, NaN where none has, shape (m, 1, n).

    >>> mean_of_bookmakers(np.array([[[0.25], [0.75], [np.nan]]])).tolist()
    [[[0.5]]]
    """
    is_known = np.isfinite(log_odds)
    total = np.where(is_known, log_odds, 0.0).sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # 0/0: nobody
        mean: FloatArray = total / is_known.sum(axis=1, keepdims=True)
    return mean
