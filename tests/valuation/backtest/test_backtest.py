"""Bets and their judgement, on one match by hand and on made-up seasons."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from tests.valuation.backtest.seasons import write_season
from valuation.backtest.bets import Bets, play
from valuation.backtest.betting_policy import BettingPolicy, PolicyError, parse_policy, shipped
from valuation.backtest.estimates import gain
from valuation.backtest.history import History, history_of, samples_of
from valuation.backtest.learning import LearningError, learn, play_out_of_sample
from valuation.backtest.report import files
from valuation.backtest.run import Backtest, backtest, playing
from valuation.backtest.sample import Sample
from valuation.backtest.scores import judge, judges
from valuation.results.football_data import read_matches

FAIR = [2.95, 2.95, 2.95]
LOW = [2.85, 2.85, 2.85]


@pytest.fixture(scope="module")
def seasons(tmp_path_factory: pytest.TempPathFactory) -> History:
    folder = tmp_path_factory.mktemp("seasons")
    paths = [write_season(folder / f"{year}.csv", year) for year in (2021, 2022, 2023)]
    return history_of([match for path in paths for match in read_matches(path)])


def one_match(**prices: list[float]) -> Sample:
    """A match that the home side won, with closes of 1/3 without margin."""
    return sample_with_closes({}, **prices)


def sample_with_closes(closes: dict[str, list[float]], **prices: list[float]) -> Sample:
    """A match as above, with other closes of some."""
    books = tuple(sorted(prices))
    early = np.array([[prices[book] for book in books]])
    close = np.array([[closes.get(book, [3.0] * 3) for book in books]])
    history = History(books, early, close, np.array([0]), np.array([0]), ("2021/22",))
    (sample,) = samples_of(history)
    return sample


def places(sample: Sample, bets: Bets) -> list[tuple[str, int]]:
    """The bookmaker and the outcome of each bet."""
    keys = sample.bookmakers.keys
    return [(keys[sample.bookmaker[at]], int(sample.outcome[at])) for at in bets.quote]


def bet_at(sample: Sample, bookmaker: str, odds: float) -> Bets:
    """A bet on the home side."""
    place = sample.bookmakers.keys.index(bookmaker)
    quote = np.flatnonzero((sample.bookmaker == place) & (sample.outcome == 0))
    return Bets(quote, np.array([odds]), np.array([0.1]), np.zeros(1))


def nothing(*_: object) -> None:
    """Do nothing at a step."""


def run(history: History, policies: tuple[BettingPolicy, ...], seed: int = 1) -> Backtest:
    plays = [playing(policy) for policy in policies]
    return backtest(samples_of(history), plays, sharp="pinnacle", seed=seed)


def test_the_bet_is_at_the_best_price_of_a_venue() -> None:
    sample = one_match(a=[3.3, 2.9, 2.9], b=[3.2, 2.9, 2.9], c=LOW, d=LOW, pinnacle=[3.4, 2.9, 2.9])
    everywhere = play(sample, BettingPolicy("all")).bets
    elsewhere = play(sample, BettingPolicy("some", no_venues=frozenset({"pinnacle"}))).bets
    assert places(sample, everywhere) == [("pinnacle", 0)]
    assert places(sample, elsewhere) == [("a", 0)]
    assert elsewhere.odds.tolist() == [3.3]


def test_odds_are_net_of_an_exchanges_commission() -> None:
    sample = one_match(betfair_ex_uk=[3.4, 2.9, 2.9], b=FAIR, c=FAIR, pinnacle=FAIR)
    bets = play(sample, BettingPolicy("all")).bets
    assert bets.odds.tolist() == pytest.approx([1 + 2.4 * 0.95])
    assert bets.ev.tolist() == pytest.approx([(1 + 2.4 * 0.95) / 3 - 1])


def test_a_group_counts_once_towards_min_books() -> None:
    sample = one_match(a=[3.3, 2.9, 2.9], b=FAIR, c=FAIR, d=FAIR)
    apart = BettingPolicy("apart")
    together = parse_policy("together; groups=c:skins,d:skins")
    assert places(sample, play(sample, apart).bets) == [("a", 0)]
    assert np.isfinite(play(sample, together).fair).all()  # of a, b and the skins
    assert places(sample, play(sample, together).bets) == []  # the others are b and the skins
    two = parse_policy("two; groups=c:skins,d:skins; min_books=2")
    assert places(sample, play(sample, two).bets) == [("a", 0)]


def test_a_group_shares_one_weight() -> None:
    other = [2.5, 3.0, 3.2]
    apart = one_match(a=FAIR, b=other, c=FAIR, d=[3.0, 2.7, 3.0])
    skins = one_match(a=FAIR, b=other, c=FAIR, d=[3.0, 2.7, 3.0], e=other, f=other)
    alone = play(apart, BettingPolicy("apart")).fair
    grouped = parse_policy("grouped; groups=b:skins,e:skins,f:skins")
    np.testing.assert_allclose(play(skins, grouped).fair, alone, rtol=1e-12)
    assert not np.allclose(play(skins, BettingPolicy("apart")).fair, alone, rtol=1e-3)


def test_a_bet_is_judged_by_neither_its_own_close_nor_twice_by_the_sharp_one() -> None:
    closes = {"a": [2.0, 4.0, 4.0], "pinnacle": [2.5, 10 / 3, 10 / 3]}
    sample = sample_with_closes(closes, a=FAIR, b=FAIR, pinnacle=FAIR)
    by = judges(sample, "power", "pinnacle")
    scores = judge(bet_at(sample, "a", 3.3), sample, by).scores()
    assert scores.clv_others.mean == pytest.approx(0.1)  # 3.3 / 3 − 1
    assert scores.clv_sharp.mean == pytest.approx(0.32)  # 3.3 / 2.5 − 1
    assert scores.roi.mean == pytest.approx(2.3)


def test_a_bet_is_not_judged_by_its_own_group() -> None:
    closes = {"a": [2.0, 4.0, 4.0], "b": [2.0, 4.0, 4.0]}
    sample = sample_with_closes(closes, a=FAIR, b=FAIR, c=FAIR)
    skins = replace(sample, bookmakers=replace(sample.bookmakers, group=np.array([0, 0, 2])))
    # Of b and c: the odds against are √(1 · 2) to 1 at home, √(3 · 2) to 1 elsewhere.
    home, elsewhere = 1 / (1 + 2**0.5), 1 / (1 + 6**0.5)
    of_both = home / (home + 2 * elsewhere)
    for each, probability in ((sample, of_both), (skins, 1 / 3)):
        found = judge(bet_at(each, "a", 3.3), each, judges(each, "power", "pinnacle"))
        assert found.clv_others.tolist() == pytest.approx([3.3 * probability - 1])


def test_without_another_close_a_bet_has_no_judge() -> None:
    sample = one_match(a=FAIR, pinnacle=FAIR)
    by = judges(sample, "power", "pinnacle")
    assert judge(bet_at(sample, "a", 3.3), sample, by).scores().clv_others.count == 0


def test_a_bet_without_a_close_of_its_own_is_judged_by_all_others() -> None:
    nan = float("nan")
    sample = sample_with_closes({"a": [nan] * 3}, a=FAIR, b=FAIR, pinnacle=FAIR)
    by = judges(sample, "power", "pinnacle")
    assert judge(bet_at(sample, "a", 3.3), sample, by).clv_others.tolist() == pytest.approx([0.1])


def test_a_lay_wins_what_a_back_loses() -> None:
    sample = one_match(a=FAIR, b=FAIR, c=FAIR)
    lays = replace(sample, is_lay=sample.bookmaker == 0)
    for back, paid, profit in ((0, 1, -1.0), (0, 0, 0.5), (0.5, 0, 0.25), (1, 0, 0.0)):
        graded = replace(lays, back=np.full(3, float(back)), paid=np.full(3, float(paid)))
        found = judge(bet_at(graded, "a", 1.5), graded, judges(graded, "power", "pinnacle"))
        assert found.profit.tolist() == [profit]
    assert found.clv_others.tolist() == pytest.approx([1.5 * 2 / 3 - 1])


def test_policies_that_know_who_is_sharp_beat_the_close_by_more(seasons: History) -> None:
    equal, never, default = (row for row in run(seasons, shipped()).rows if row.quality)
    assert equal.clv_gain is None
    assert never.clv_gain is not None
    assert never.clv_gain.low > 0
    assert default.clv_gain is not None
    assert default.clv_gain.low > 0
    assert default.quality
    assert equal.quality
    assert default.quality.log_loss < equal.quality.log_loss  # type: ignore[operator]


def test_the_bets_at_the_sharp_bookmaker_are_a_row_of_their_own(seasons: History) -> None:
    rows = run(seasons, shipped()[:1]).rows
    assert [row.name for row in rows] == ["equal weights, every venue", "… its bets at pinnacle"]
    assert rows[1].scores.clv_others.mean < rows[0].scores.clv_others.mean  # type: ignore[operator]


def test_of_the_samples_that_are_played_only_the_last_is_kept(seasons: History) -> None:
    kept: list[weakref.ref[Sample]] = []

    def read() -> Iterator[Sample]:
        for number in range(seasons.season.max() + 1):
            (sample,) = samples_of(
                replace(seasons.during(seasons.season == number), seasons=(str(number),),
                        season=np.zeros(int((seasons.season == number).sum()), dtype=np.int64))
            )  # fmt: skip
            gc.collect()
            assert sum(ref() is not None for ref in kept) <= 1
            kept.append(weakref.ref(sample))
            yield sample
            del sample

    plays = [playing(policy) for policy in shipped()]
    found = backtest(read(), plays, sharp="pinnacle", seed=1)
    assert (found.matches, len(kept)) == (600, 3)


def test_the_same_seed_gives_the_same_files(seasons: History) -> None:
    first, second, other = (run(seasons, shipped(), seed) for seed in (1, 1, 2))
    assert files(first, None, "", 1) == files(second, None, "", 1)
    assert files(first, None, "", 1) != files(other, None, "", 1)


def test_the_same_bets_gain_nothing_over_themselves() -> None:
    bets = np.array([0.1, -0.2]), np.array([0, 3])
    found = gain(bets, bets, 5, seed=1)
    assert found is not None
    assert (found.mean, found.low, found.high) == (0, 0, 0)
    assert gain(bets, (np.array([]), np.array([], np.int64)), 5, seed=1) is None


def test_the_sharp_bookmaker_is_learnt_from_the_closes_of_others(seasons: History) -> None:
    learnt = learn(seasons, shipped()[-1], nothing)
    assert max(learnt.weights, key=lambda key: learnt.weights[key]) == "pinnacle"
    assert sum(learnt.weights.values()) == pytest.approx(1)
    assert learnt.in_sample.learnt <= learnt.in_sample.equal
    for fold in learnt.folds:
        assert fold.out_of_sample.learnt < fold.out_of_sample.equal


def test_out_of_sample_each_season_is_played_with_the_weights_of_the_others(
    seasons: History,
) -> None:
    like = shipped()[-1]
    last = seasons.season == 2
    changed = replace(seasons, close=np.where(last[:, None, None], 3.0, seasons.close))

    def fair(of: History) -> list[np.ndarray]:
        learnt = learn(of, like, nothing)
        return [play_out_of_sample(sample, learnt, like).fair for sample in samples_of(of)]

    before, after = fair(seasons), fair(changed)
    assert np.array_equal(before[2], after[2])
    assert not np.array_equal(before[0], after[0])


def test_one_season_is_not_enough_to_learn_from(seasons: History) -> None:
    with pytest.raises(LearningError, match="two seasons"):
        learn(seasons.during(seasons.season == 0), shipped()[-1], nothing)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "min_books=3",
        "a; method=best",
        "a; weights=x",
        "a; weights=x:-1",
        "a; odd=1",
        "a; groups=x",
    ],
)
def test_a_text_that_is_no_policy_says_which_part_is_not(text: str) -> None:
    with pytest.raises(PolicyError, match=r"begin with a name|is no part of a policy"):
        parse_policy(text)
