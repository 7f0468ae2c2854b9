"""Large fields: outrights of many runners, which bookmakers list more or less of."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.valuation.boards import fields, rows
from tests.valuation.by_hand import Fair, Row, board_of, value_by_hand
from valuation.arrays import FloatArray
from valuation.board import Reason, Valued, value
from valuation.completion import completed
from valuation.methods import METHODS
from valuation.policy import Method, ValuationPolicy

POLICY = ValuationPolicy()
LENIENT = ValuationPolicy(min_books=2, min_edge_ev=0.00137)
unhurried = settings(deadline=None)  # the machine may be busy

GOLFERS = 150
BOOKMAKERS = 6


def golfers(seed: int = 7) -> list[float]:
    """The chances of 150 golfers: one at 10 %, most at less than 0.5 %."""
    rng = random.Random(seed)
    strengths = [rng.paretovariate(1.2) for _ in range(GOLFERS)]
    return sorted((s / sum(strengths) for s in strengths), reverse=True)


def outright(
    missing: Iterable[Iterable[int]] = (), booksum: float = 1.55, seed: int = 7, noise: float = 0.03
) -> list[Row]:
    """What six bookmakers quote on the golfers, without those that each leaves out."""
    rng = random.Random(seed)
    chances = golfers(seed)
    left_out = [set(golfer) for golfer in missing] or [set[int]()] * BOOKMAKERS
    quotes = []
    for book in range(BOOKMAKERS):
        implied = [p**0.85 * rng.lognormvariate(0, noise) for p in chances]
        scale = (booksum + 0.01 * book) / sum(implied)
        quotes += [
            Row(1, golfer, book, 1 / (r * scale))
            for golfer, r in enumerate(implied)
            if golfer not in left_out[book]
        ]
    return quotes


def three_longshots_each() -> list[range]:
    return [range(GOLFERS - 3 * book - 3, GOLFERS - 3 * book) for book in range(BOOKMAKERS)]


def valued_of(quotes: list[Row], policy: ValuationPolicy = POLICY) -> Valued:
    return value(board_of(quotes), policy)


def reasons_of(quotes: list[Row], policy: ValuationPolicy = POLICY) -> list[Reason]:
    return [Reason(code) for code in valued_of(quotes, policy).fair.reason.tolist()]


def fair_of(valued: Valued) -> Fair:
    fair = valued.fair
    columns = (fair.market_id, fair.outcome_id, fair.reason, fair.probability, fair.books)
    return {
        (market, outcome): (Reason(reason), p, books)
        for market, outcome, reason, p, books in zip(*(c.tolist() for c in columns), strict=True)
    }


def changed(quotes: list[Row], book: int, golfer: int, **columns: Any) -> list[Row]:
    return [
        row._replace(**columns) if (row.book, row.outcome) == (book, golfer) else row
        for row in quotes
    ]


class TestAgainstTheRulesByHand:
    @unhurried
    @given(fields(), st.sampled_from(["power", "additive"]), st.integers(1, 4))
    def test_every_fair_price_and_edge_of_a_field_equals_the_one_by_hand(
        self, quotes: list[Row], method: Method, min_books: int
    ) -> None:
        policy = replace(LENIENT, method=method, min_books=min_books)
        valued = valued_of(quotes, policy)
        fair, edges = value_by_hand(quotes, policy)
        mine = fair_of(valued)
        assert mine.keys() == fair.keys()
        for key, (reason, p, books) in fair.items():
            assert (mine[key][0], mine[key][2]) == (reason, books)
            assert mine[key][1] == pytest.approx(p, rel=1e-9, abs=0, nan_ok=True)
        assert valued.edges.row.tolist() == [edge.row for edge in edges]
        for name in ("probability", "books", "ev", "kelly", "hold"):
            column = [getattr(edge, name) for edge in edges]
            assert getattr(valued.edges, name) == pytest.approx(column, rel=1e-8, abs=1e-10)


class TestTheGate:
    @pytest.mark.parametrize("booksum", [1.20, 1.53, 1.56])
    def test_an_outright_of_150_golfers_is_priced(self, booksum: float) -> None:
        assert set(reasons_of(outright(booksum=booksum))) == {Reason.OK}

    @pytest.mark.parametrize("booksum", [0.85, 2.5])
    def test_a_field_whose_booksums_are_absurd_is_a_data_fault(self, booksum: float) -> None:
        assert set(reasons_of(outright(booksum=booksum))) == {Reason.BOOKSUM_OUT_OF_RANGE}

    @given(st.integers(2, 400), st.floats(1.0, 2.0))
    def test_the_limit_grows_with_the_outcomes_and_is_bounded(self, n: int, least: float) -> None:
        policy = replace(POLICY, max_booksum=least)
        limit, next_limit = policy.max_booksum_of(n), policy.max_booksum_of(n + 1)
        assert least <= limit <= next_limit <= 1 + 3 * (least - 1) + 1e-12
        assert n > 10 or limit == least

    def test_a_limit_below_1_stays_as_it_is(self) -> None:
        assert replace(POLICY, max_booksum=0.99).max_booksum_of(150) == 0.99


class TestRunnersThatAreNotListed:
    def test_an_outright_of_which_each_bookmaker_leaves_three_longshots_out_is_priced(self) -> None:
        fair = valued_of(outright(three_longshots_each())).fair
        assert set(fair.reason.tolist()) == {Reason.OK}
        assert fair.books.tolist() == [6] * (GOLFERS - 18) + [5] * 18
        assert fair.probability.sum() == pytest.approx(1)

    def test_leaving_longshots_out_hardly_moves_the_others(self) -> None:
        whole = valued_of(outright(), POLICY).fair.probability
        partial = valued_of(outright(three_longshots_each())).fair.probability
        assert np.abs(partial / whole - 1)[: GOLFERS - 18].max() < 1e-3

    def test_a_bookmaker_that_leaves_the_favourites_out_has_no_part(self) -> None:
        favourites = range(3)  # more than a tenth of the field together
        fair = valued_of(outright([favourites, *[()] * 5])).fair
        assert fair.books.tolist() == [5] * GOLFERS

    def test_a_runner_that_too_few_list_has_no_price_and_keeps_its_part(self) -> None:
        fair = valued_of(outright([[9]] * 4 + [()] * 2)).fair
        assert Reason(fair.reason[9]) is Reason.INCOMPLETE
        assert np.delete(fair.reason, 9).tolist() == [Reason.OK] * (GOLFERS - 1)
        whole = valued_of(outright()).fair.probability[9]
        assert 1 - np.nansum(fair.probability) == pytest.approx(whole, rel=0.05)

    def test_a_name_that_one_bookmaker_spells_otherwise_costs_no_price(self) -> None:
        """The favourite under another name: for that bookmaker it is not listed, and filled in."""
        whole = valued_of(outright()).fair.probability
        fair = valued_of(changed(outright(), 2, 4, outcome=GOLFERS)).fair
        assert fair.reason.tolist() == [Reason.OK] * GOLFERS + [Reason.INCOMPLETE]
        assert fair.books[4] == 5
        assert np.abs(fair.probability[:GOLFERS] / whole - 1).max() < 0.02

    def test_a_name_that_two_spell_otherwise_only_lowers_the_others(self) -> None:
        whole = valued_of(outright()).fair.probability
        quotes = changed(changed(outright(), 2, 4, outcome=GOLFERS), 3, 4, outcome=GOLFERS)
        valued = valued_of(quotes)
        assert Reason(valued.fair.reason[GOLFERS]) is Reason.INCOMPLETE
        ratios = valued.fair.probability[:GOLFERS] / whole
        assert ratios.max() < 1  # so that no price seems worth backing that is not
        assert ratios.min() > 1 - 2 * whole[4]  # with `power` longshots lose more than the share

    def test_a_bookmaker_of_another_market_altogether_has_no_part(self) -> None:
        other = [Row(1, 1000 + number, 5, 20.0) for number in range(12)]
        fair = valued_of(outright() + other).fair
        assert fair.books[:GOLFERS].tolist() == [5] * GOLFERS

    @given(st.integers(0, 2**32), st.floats(0.0, 0.09), st.floats(0.5, 2.0))
    def test_the_error_of_a_rest_is_bounded_by_how_wrong_the_rest_is(
        self, seed: int, rest: float, factor: float
    ) -> None:
        """One bookmaker thinks `factor` times as much of the rest as the others do."""
        rng = np.random.default_rng(seed)
        chances = rng.dirichlet(np.ones(20))
        listed = np.cumsum(np.sort(chances)) > rest
        typical = np.sort(chances)
        truly = np.where(listed, typical, typical * factor)
        truly /= truly.sum()
        own = np.where(listed, 1 / (1.2 * truly), np.nan)
        prices = np.stack([1 / (1.2 * typical)] * 3 + [own], axis=1)[:, :, np.newaxis]
        policy = replace(POLICY, outlier_floor=1e9)
        whole = completed(prices, np.ones((4, 1), bool), policy).implied[:, 3, 0]
        u, filled = truly[~listed].sum(), typical[~listed].sum()
        found = whole / whole.sum()
        assert found[listed] / truly[listed] == pytest.approx((1 - filled) / (1 - u), rel=1e-9)


class TestOutliers:
    def test_one_price_of_150_far_off_does_not_throw_the_bookmaker_out(self) -> None:
        fair = valued_of(changed(outright(), 3, 40, price=1.5)).fair
        assert fair.books.tolist() == [5 if golfer == 40 else 6 for golfer in range(GOLFERS)]
        assert set(fair.reason.tolist()) == {Reason.OK}

    @pytest.mark.parametrize("price", [1.02, 2000.0])
    @pytest.mark.parametrize("golfer", [0, 40, 149])
    def test_a_price_far_off_moves_no_fair_price_much(self, golfer: int, price: float) -> None:
        clean = valued_of(outright()).fair.probability
        spoilt = valued_of(changed(outright(), 3, golfer, price=price)).fair.probability
        off = np.abs(spoilt / clean - 1)
        assert np.delete(off, golfer).max() < 2e-3
        assert off[golfer] < 0.02

    def test_a_price_far_off_is_an_edge_that_is_marked(self) -> None:
        quotes = changed(outright(), 3, 40, price=2000.0)
        edges = valued_of(quotes).edges
        (at,) = [n for n, row in enumerate(edges.row.tolist()) if quotes[row].price == 2000.0]
        assert edges.is_outlier[at]
        assert edges.books[at] == 5
        assert edges.ev[at] > 1

    def test_the_other_prices_of_its_bookmaker_are_not_marked(self) -> None:
        quotes = changed(outright(), 3, 40, price=2000.0)
        policy = replace(POLICY, min_edge_ev=-1.0)
        edges = valued_of(quotes, policy).edges
        marked = {(quotes[row].book, quotes[row].outcome) for row in edges.row[edges.is_outlier]}
        assert marked == {(3, 40)}

    def test_a_bookmaker_that_is_off_on_many_runners_is_out_on_all(self) -> None:
        quotes = outright()
        for golfer in range(0, GOLFERS, 3):
            price = next(r.price for r in quotes if (r.book, r.outcome) == (3, golfer))
            quotes = changed(quotes, 3, golfer, price=1 + (price - 1) * 1.9)
        assert valued_of(quotes).fair.books.tolist() == [5] * GOLFERS

    def test_a_runner_on_which_too_few_agree_says_so(self) -> None:
        quotes = outright()
        for book in range(3):
            quotes = changed(quotes, book, 40, price=5.0 * 10.0**book)
        fair = valued_of(quotes, replace(POLICY, min_books=6)).fair
        assert Reason(fair.reason[40]) is Reason.OUTLIER
        assert np.delete(fair.reason, 40).tolist() == [Reason.OK] * (GOLFERS - 1)


class TestInvariants:
    @unhurried
    @given(fields(), st.randoms(use_true_random=False))
    def test_the_order_of_the_rows_changes_nothing_to_the_last_bit(
        self, quotes: list[Row], rng: random.Random
    ) -> None:
        shuffled = rng.sample(quotes, len(quotes))
        one, other = valued_of(quotes, LENIENT), valued_of(shuffled, LENIENT)
        for name in one.fair.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(one.fair, name), getattr(other.fair, name))
        evs = [
            sorted(zip((by[row] for row in valued.edges.row.tolist()), valued.edges.ev.tolist(),
                       strict=True))
            for by, valued in ((quotes, one), (shuffled, other))
        ]  # fmt: skip
        assert repr(evs[0]) == repr(evs[1])

    @unhurried
    @given(fields(), st.sampled_from(sorted(METHODS)))
    def test_fair_prices_of_a_field_are_probabilities_and_sum_to_one_at_most(
        self, quotes: list[Row], method: Method
    ) -> None:
        fair = fair_of(valued_of(quotes, replace(LENIENT, method=method)))
        totals: dict[int, float] = {}
        for (market, _), (reason, p, _) in fair.items():
            assert (reason is Reason.OK) == (0 < p < 1)
            totals[market] = totals.get(market, 0.0) + (0.0 if math.isnan(p) else p)
        assert all(total <= 1 + 1e-9 for total in totals.values())

    @unhurried
    @given(fields(), st.sampled_from(["stale", "weightless"]), st.floats(1.01, 50))
    def test_a_stale_or_weightless_book_changes_no_fair_price(
        self, quotes: list[Row], kind: str, price: float
    ) -> None:
        extra = [
            Row(market, outcome, 99, price, weight=float(kind == "stale"), is_stale=kind == "stale")
            for market, outcome in sorted({(row.market, row.outcome) for row in quotes})
        ]
        before = fair_of(valued_of(quotes, LENIENT))
        after = fair_of(valued_of(quotes + extra, LENIENT))
        for key, (_, p, books) in before.items():
            assert after[key][1] == pytest.approx(p, rel=1e-12, nan_ok=True)
            assert after[key][2] == books

    @unhurried
    @given(fields(), st.floats(1e-6, 1e6))
    def test_scaling_all_weights_changes_nothing(self, quotes: list[Row], factor: float) -> None:
        scaled = [row._replace(weight=row.weight * factor) for row in quotes]
        one, other = fair_of(valued_of(quotes, LENIENT)), fair_of(valued_of(scaled, LENIENT))
        for key, (reason, p, books) in one.items():
            assert (other[key][0], other[key][2]) == (reason, books)
            assert other[key][1] == pytest.approx(p, rel=1e-11, nan_ok=True)


class TestSmallSets:
    @unhurried
    @given(rows(), fields())
    def test_a_field_on_the_board_changes_no_small_line_to_the_last_bit(
        self, small: list[Row], large: list[Row]
    ) -> None:
        large = [row._replace(market=row.market + 50, outcome=row.outcome + 5000) for row in large]
        alone, together = valued_of(small, LENIENT), valued_of(small + large, LENIENT)
        size = alone.fair.outcome_id.size
        for name in alone.fair.__dataclass_fields__:
            np.testing.assert_array_equal(
                getattr(together.fair, name)[:size], getattr(alone.fair, name)
            )
        mine = together.edges.row < len(small)
        for name in alone.edges.__dataclass_fields__:
            np.testing.assert_array_equal(
                getattr(together.edges, name)[mine], getattr(alone.edges, name)
            )

    @pytest.mark.parametrize("booksum", [1.05, 1.55])
    def test_a_few_that_list_the_same_favourites_do_not_make_a_field_small(
        self, booksum: float
    ) -> None:
        """As if these were the whole field, they would have twice their chances, or no price."""
        favourites = golfers()[:8]
        scale = booksum / sum(favourites)
        clones = [
            Row(1, golfer, 10 + book, 1 / (p * scale))
            for book in range(4)
            for golfer, p in enumerate(favourites)
        ]
        field = outright(three_longshots_each())
        alone, together = valued_of(field).fair, valued_of(field + clones).fair
        assert together.books.tolist() == alone.books.tolist()
        assert together.probability == pytest.approx(alone.probability, rel=1e-2)

    def test_a_small_set_that_most_bookmakers_carry_is_no_field(self) -> None:
        three_way = [Row(1, n, book, d) for book in range(4) for n, d in enumerate((2.5, 3.4, 2.9))]
        twelve = [Row(1, n, book, 11.0) for book in (8, 9) for n in range(12)]
        alone, together = valued_of(three_way).fair, valued_of(three_way + twelve).fair
        assert together.probability[:3].tolist() == alone.probability.tolist()
        assert set(together.reason[3:].tolist()) == {Reason.INCOMPLETE}

    def test_ten_outcomes_are_small_and_eleven_a_field(self) -> None:
        def books(outcomes: int) -> list[int]:
            quotes = [Row(1, n, book, outcomes / 1.1) for book in range(4) for n in range(outcomes)]
            counts: list[int] = valued_of(quotes[:-1]).fair.books.tolist()
            return counts

        assert books(10) == [3] * 10  # the fourth, which leaves one out, has no part
        assert books(11) == [4] * 10 + [3]


def test_a_completed_book_is_its_own_prices_where_it_has_them() -> None:
    prices: FloatArray = np.array([[3.0, 3.2, 2.9], [2.5, 2.6, 2.4], [9.0, 9.5, np.nan]])
    whole = completed(prices[:, :, np.newaxis], np.ones((3, 1), bool), POLICY)
    listed = ~np.isnan(prices)
    assert whole.own[:, :, 0].tolist() == listed.tolist()
    assert (1 / whole.implied[:, :, 0])[listed] == pytest.approx(prices[listed])
