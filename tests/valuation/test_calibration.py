"""The engine against real results: closing prices of four seasons and how the matches ended."""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from valuation.arrays import FloatArray, IntArray
from valuation.board import Board, value
from valuation.devig import devig
from valuation.policy import Method, ValuationPolicy

RESULTS = Path(__file__).parents[3] / "shared" / "results"
CLOSING = ("B365C", "BWC", "IWC", "PSC", "WHC", "VCC", "BFC", "1XBC")
RESULT_OF_OUTCOME = "HDA"

pytestmark = pytest.mark.skipif(
    not RESULTS.is_dir(), reason=f"no recorded results at {RESULTS}, beside the checkout"
)


@dataclass(frozen=True)
class Seasons:
    """Closing books (b, 3), the match of each (b,), and the outcome of each match (m,)."""

    odds: FloatArray
    match: IntArray
    book: IntArray
    outcome: IntArray


@pytest.fixture(scope="module")
def seasons() -> Seasons:
    matches = []
    for path in sorted(RESULTS.glob("*.csv.gz")):
        with gzip.open(path, "rt", encoding="utf-8-sig") as file:
            matches += list(csv.DictReader(file))
    books = [
        (match, book, [float(price) for price in prices])
        for match, row in enumerate(matches)
        for book, name in enumerate(CLOSING)
        if all(prices := [row.get(name + result, "") for result in RESULT_OF_OUTCOME])
    ]
    return Seasons(
        odds=np.array([prices for _, _, prices in books]),
        match=np.array([match for match, _, _ in books]),
        book=np.array([book for _, book, _ in books]),
        outcome=np.array([RESULT_OF_OUTCOME.index(row["FTR"]) for row in matches]),
    )


def consensus(seasons: Seasons, method: Method) -> FloatArray:
    """The engine's fair probabilities, shape (m, 3)."""
    books = seasons.match.size
    quotes = books * 3
    outcome = np.tile(np.arange(3), books)
    valued = value(
        Board(
            market_id=np.repeat(seasons.match, 3),
            outcome_id=np.repeat(seasons.match, 3) * 3 + outcome,
            line=np.full(quotes, np.nan),
            bookmaker_id=np.repeat(seasons.book, 3),
            is_lay=np.zeros(quotes, dtype=np.bool_),
            price=seasons.odds.ravel(),
            weight=np.ones(quotes),
            commission=np.zeros(quotes),
            is_stale=np.zeros(quotes, dtype=np.bool_),
        ),
        replace(ValuationPolicy(), method=method),
    )
    return valued.fair.probability.reshape(-1, 3)


def log_loss(probabilities: FloatArray, outcome: IntArray) -> float:
    return float(-np.log(probabilities[np.arange(outcome.size), outcome]).mean())


def test_every_match_gets_a_fair_price(seasons: Seasons) -> None:
    assert np.isfinite(consensus(seasons, "power")).all()


@pytest.mark.parametrize("method", ["multiplicative", "shin", "odds_ratio", "probit"])
def test_power_has_the_lowest_log_loss_of_the_methods_that_stay_within_0_and_1(
    seasons: Seasons, method: Method
) -> None:
    power = log_loss(consensus(seasons, "power"), seasons.outcome)
    assert power < log_loss(consensus(seasons, method), seasons.outcome)


def test_the_consensus_beats_the_average_bookmaker(seasons: Seasons) -> None:
    quoted = seasons.outcome[seasons.match]
    pooled = consensus(seasons, "power")[seasons.match]
    assert log_loss(pooled, quoted) < log_loss(devig(seasons.odds).probabilities, quoted)


def test_the_default_beats_multiplicative_over_all_bookmakers_together(seasons: Seasons) -> None:
    """Together, not at each: at the two with a single season it is the other way round."""
    quoted = seasons.outcome[seasons.match]
    power, multiplicative = (
        log_loss(devig(seasons.odds, method).probabilities, quoted)
        for method in ("power", "multiplicative")
    )
    assert power < multiplicative


def test_outcomes_come_in_as_often_as_their_fair_prices_say(seasons: Seasons) -> None:
    """Over tenths of the probability scale, within three standard errors."""
    p = consensus(seasons, "power")
    came_in = np.eye(3)[seasons.outcome]
    tenth = np.minimum((p * 10).astype(int), 9)
    for bucket in np.unique(tenth):
        inside = tenth == bucket
        error = np.sqrt((p[inside] * (1 - p[inside])).sum()) / inside.sum()
        assert came_in[inside].mean() == pytest.approx(p[inside].mean(), abs=3 * error)
