"""The table of docs/valuation.md, measured again where the recorded seasons are."""

from __future__ import annotations

from pathlib import Path

import pytest

from valuation.backtest.betting_policy import shipped
from valuation.backtest.history import History, history_of, samples_of
from valuation.backtest.learning import learn
from valuation.backtest.run import backtest, playing
from valuation.results.football_data import read_matches

RESULTS = Path(__file__).parents[4] / "shared" / "results"
FILES = sorted(RESULTS.glob("*.csv.gz"))

pytestmark = pytest.mark.skipif(
    not FILES, reason=f"no recorded results at {RESULTS}, beside the checkout"
)


@pytest.fixture(scope="module")
def seasons() -> History:
    return history_of([match for path in FILES for match in read_matches(path)])


def nothing(*_: object) -> None:
    """Do nothing at a step."""


def test_the_default_beats_equal_weights_by_1_3_points(seasons: History) -> None:
    plays = [playing(policy) for policy in shipped()]
    found = backtest(samples_of(seasons), plays, sharp="pinnacle", seed=1)
    default = found.rows[-1]
    assert default.clv_gain is not None
    assert default.clv_gain.mean >= 0.013
    assert default.clv_gain.low > 0


def test_learnt_weights_are_as_good_as_the_default_in_every_unseen_season(seasons: History) -> None:
    for fold in learn(seasons, shipped()[-1], nothing).folds:
        assert fold.out_of_sample.learnt <= fold.out_of_sample.present < fold.out_of_sample.equal
