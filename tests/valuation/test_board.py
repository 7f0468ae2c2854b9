from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.valuation.boards import rows
from tests.valuation.by_hand import Fair, Row, board_of, value_by_hand
from valuation.arrays import FloatArray
from valuation.board import Board, BoardError, Reason, Valued, value
from valuation.devig import devig
from valuation.methods import METHODS
from valuation.policy import Method, ValuationPolicy

POLICY = ValuationPolicy()
unhurried = settings(deadline=None)  # the machine may be busy
# A threshold that no tidy prices meet exactly, where rounding alone would decide.
LENIENT = ValuationPolicy(min_books=2, min_edge_ev=0.00137)


def fair_of(valued: Valued) -> Fair:
    fair = valued.fair
    return {
        (market, outcome): (Reason(reason), p, books)
        for market, outcome, p, books, reason in zip(
            fair.market_id.tolist(),
            fair.outcome_id.tolist(),
            fair.probability.tolist(),
            fair.books.tolist(),
            fair.reason.tolist(),
            strict=True,
        )
    }


def reasons(quotes: list[Row], policy: ValuationPolicy = POLICY) -> dict[int, Reason]:
    fair = fair_of(value(board_of(quotes), policy))
    return {outcome: reason for (_, outcome), (reason, _, _) in fair.items()}


def book(number: int, *prices: float, **columns: Any) -> list[Row]:
    return [Row(1, outcome, number, price, **columns) for outcome, price in enumerate(prices, 1)]


def three_books() -> list[Row]:
    return book(1, 1.90, 1.95) + book(2, 1.91, 1.94) + book(3, 1.92, 1.93)


def permuted(board: Board, order: list[int]) -> Board:
    return Board(*(getattr(board, name)[order] for name in board.__dataclass_fields__))


def assert_equal_fair(one: Fair, other: Fair) -> None:
    assert one.keys() == other.keys()
    for key, (reason, p, books) in one.items():
        assert other[key][0] is reason
        assert other[key][2] == books
        assert p == pytest.approx(other[key][1], rel=1e-11, abs=0, nan_ok=True)


class TestAgainstTheRulesByHand:
    @unhurried
    @given(rows(), st.sampled_from(["power", "additive"]), st.integers(1, 4))
    def test_every_fair_price_and_edge_equals_the_one_by_hand(
        self, quotes: list[Row], method: Method, min_books: int
    ) -> None:
        policy = replace(LENIENT, method=method, min_books=min_books)
        valued = value(board_of(quotes), policy)
        fair, edges = value_by_hand(quotes, policy)
        assert_equal_fair(fair_of(valued), fair)
        assert valued.edges.row.tolist() == [edge.row for edge in edges]
        for name in ("probability", "books", "ev", "kelly", "hold"):
            column = [getattr(edge, name) for edge in edges]
            assert getattr(valued.edges, name) == pytest.approx(column, rel=1e-9, abs=1e-11)


class TestInvariants:
    @unhurried
    @given(rows(), st.data())
    def test_the_order_of_the_rows_changes_nothing_to_the_last_bit(
        self, quotes: list[Row], data: st.DataObject
    ) -> None:
        board = board_of(quotes)
        order = data.draw(st.permutations(range(len(quotes))))
        straight, shuffled = value(board, LENIENT), value(permuted(board, order), LENIENT)
        for name in straight.fair.__dataclass_fields__:
            np.testing.assert_array_equal(
                getattr(straight.fair, name), getattr(shuffled.fair, name)
            )
        by_row = np.argsort(np.array(order, dtype=np.int64)[shuffled.edges.row])
        for name in ("probability", "books", "ev", "kelly", "hold"):
            np.testing.assert_array_equal(
                getattr(straight.edges, name), getattr(shuffled.edges, name)[by_row]
            )

    @unhurried
    @given(rows())
    def test_probabilities_of_a_line_sum_to_one(self, quotes: list[Row]) -> None:
        fair = fair_of(value(board_of(quotes), LENIENT))
        lines: dict[tuple[int, float | None], set[int]] = {}
        for row in quotes:
            lines.setdefault((row.market, row.line), set()).add(row.outcome)
        for (market, _), outcomes in lines.items():
            probabilities = [fair[market, outcome][1] for outcome in outcomes]
            priced = [p for p in probabilities if not math.isnan(p)]
            assert not priced or math.fsum(priced) == pytest.approx(1, rel=0, abs=1e-9)

    @unhurried
    @given(rows())
    def test_a_probability_is_given_exactly_where_the_reason_is_ok(self, quotes: list[Row]) -> None:
        for reason, p, _ in fair_of(value(board_of(quotes), LENIENT)).values():
            assert (reason is Reason.OK) == (0 < p < 1)

    @unhurried
    @given(rows(), st.sampled_from(["stale", "weightless"]), st.floats(1.01, 50), st.data())
    def test_a_stale_or_weightless_book_changes_no_fair_price(
        self, quotes: list[Row], kind: str, price: float, data: st.DataObject
    ) -> None:
        before = fair_of(value(board_of(quotes), LENIENT))
        outcomes = sorted({(row.market, row.line, row.outcome) for row in quotes}, key=str)
        extra = [
            Row(market, outcome, 99, price, line, False, weight=float(kind == "stale"),
                is_stale=kind == "stale")
            for market, line, outcome in data.draw(st.permutations(outcomes))
        ]  # fmt: skip
        after = fair_of(value(board_of(quotes + extra), LENIENT))
        for key, (_, p, books) in before.items():
            assert after[key][1] == pytest.approx(p, rel=1e-12, nan_ok=True)
            assert after[key][2] == books

    @unhurried
    @given(rows(), st.floats(1e-6, 1e6))
    def test_scaling_all_weights_changes_nothing(self, quotes: list[Row], factor: float) -> None:
        scaled = [row._replace(weight=row.weight * factor) for row in quotes]
        assert_equal_fair(
            fair_of(value(board_of(scaled), LENIENT)), fair_of(value(board_of(quotes), LENIENT))
        )

    @unhurried
    @given(rows(), st.integers(1, 7))
    def test_an_edge_is_measured_as_if_its_book_had_no_vote(
        self, quotes: list[Row], number: int
    ) -> None:
        """Outliers are decided with its vote, so here a huge floor leaves nobody out."""
        policy = replace(LENIENT, min_books=1, outlier_floor=1e9, min_edge_ev=-1.0)
        mute = [row._replace(weight=0.0) if row.book == number else row for row in quotes]
        valued = value(board_of(quotes), policy)
        fair, alone = fair_of(valued), fair_of(value(board_of(mute), policy))
        for row, p in zip(valued.edges.row.tolist(), valued.edges.probability, strict=True):
            own = quotes[row]
            line = {
                (other.market, other.outcome)
                for other in quotes
                if (other.market, other.line) == (own.market, own.line)
            }
            # Without its vote another set of outcomes may be the line's.
            is_same_set = all(fair[key][0] is alone[key][0] for key in line)
            if own.book == number and is_same_set:
                assert p == pytest.approx(alone[own.market, own.outcome][1], rel=1e-11)


class TestReasons:
    def test_three_agreeing_books_make_a_fair_price(self) -> None:
        assert reasons(three_books()) == {1: Reason.OK, 2: Reason.OK}

    def test_two_books_are_too_few(self) -> None:
        assert set(reasons(three_books()[:4]).values()) == {Reason.TOO_FEW_BOOKS}

    def test_a_weightless_book_does_not_count(self) -> None:
        quotes = [row._replace(weight=0.0) if row.book == 3 else row for row in three_books()]
        assert set(reasons(quotes).values()) == {Reason.TOO_FEW_BOOKS}

    def test_stale_books_are_named_when_they_are_missed(self) -> None:
        quotes = [row._replace(is_stale=row.book == 3) for row in three_books()]
        assert set(reasons(quotes).values()) == {Reason.STALE}

    def test_a_line_all_stale_says_so(self) -> None:
        quotes = [row._replace(is_stale=True) for row in three_books()]
        assert set(reasons(quotes).values()) == {Reason.STALE}

    def test_one_sided_books_do_not_count(self) -> None:
        quotes = three_books()[:5]
        assert set(reasons(quotes).values()) == {Reason.INCOMPLETE}

    def test_a_line_of_one_sided_books_only_has_no_outcomes(self) -> None:
        quotes = three_books()[::2]
        assert reasons(quotes) == {1: Reason.NO_TWO_SIDED_BOOK}

    def test_an_outcome_that_few_books_quote_is_not_part_of_the_line(self) -> None:
        quotes = three_books() + book(4, 2.5, 2.5, 3.5)
        assert reasons(quotes) == {1: Reason.OK, 2: Reason.OK, 3: Reason.INCOMPLETE}

    @pytest.mark.parametrize("prices", [(1.2, 1.2), (2.2, 2.2)])
    def test_an_absurd_booksum_is_a_data_fault(self, prices: tuple[float, ...]) -> None:
        quotes = three_books()[:4] + book(3, *prices)
        assert set(reasons(quotes).values()) == {Reason.BOOKSUM_OUT_OF_RANGE}

    def test_a_book_with_a_negative_probability_has_no_part(self) -> None:
        longshots = (1.03, 9.0, 200.0)
        quotes = book(1, *longshots) + book(2, *longshots) + book(3, *longshots)
        policy = replace(POLICY, method="additive")
        assert set(reasons(quotes, policy).values()) == {Reason.NO_PROBABILITY}
        assert set(reasons(quotes).values()) == {Reason.OK}

    def test_a_book_that_disagrees_wildly_is_an_outlier(self) -> None:
        quotes = three_books()[:4] + book(3, 1.20, 5.0)
        assert set(reasons(quotes).values()) == {Reason.OUTLIER}

    def test_a_price_of_1_01_does_not_corrupt_the_consensus(self) -> None:
        clean = fair_of(value(board_of(three_books()), POLICY))
        spoilt = fair_of(value(board_of(three_books() + book(4, 1.01, 15.0)), POLICY))
        assert_equal_fair(clean, spoilt)

    @pytest.mark.parametrize("reason", list(Reason))
    def test_every_reason_but_ok_has_a_text(self, reason: Reason) -> None:
        assert bool(reason.text) == (reason is not Reason.OK)


class TestLines:
    def test_points_of_one_market_are_never_pooled(self) -> None:
        low = [row._replace(line=-3.5) for row in three_books()]
        high = [
            row._replace(line=-2.5, outcome=row.outcome + 10, price=row.price * 0.99)
            for row in three_books()
        ]
        both = fair_of(value(board_of(low + high), POLICY))
        assert_equal_fair(
            both,
            fair_of(value(board_of(low), POLICY)) | fair_of(value(board_of(high), POLICY)),
        )

    def test_of_equally_frequent_sets_the_larger_is_the_line(self) -> None:
        two_way = book(1, 1.9, 1.95) + book(2, 1.9, 1.95)
        three_way = book(3, 2.5, 3.4, 2.9) + book(4, 2.5, 3.4, 2.9)
        assert reasons(two_way + three_way, LENIENT) == dict.fromkeys((1, 2, 3), Reason.OK)

    def test_lines_of_more_outcomes_than_a_word_has_bits_are_valued(self) -> None:
        field = [row for number in range(1, 5) for row in book(number, *[130.0] * 140)]
        fair = value(board_of(field), POLICY).fair
        assert fair.probability == pytest.approx(np.full(140, 1 / 140))

    def test_sets_that_differ_beyond_the_first_word_are_different(self) -> None:
        known = [Row(1, outcome, 9, 58.0) for outcome in range(65)]
        most = [Row(1, outcome, number, 1.9) for number in range(3) for outcome in (1, 63)]
        other = [Row(1, outcome, 3, 1.9) for outcome in (1, 64)]
        fair = value(board_of(known + most + other), POLICY).fair
        assert np.flatnonzero(fair.books == 3).tolist() == [1, 63]
        assert np.flatnonzero(fair.reason == Reason.OK).tolist() == [1, 63]

    def test_an_empty_board_has_no_value(self) -> None:
        valued = value(board_of([]), POLICY)
        assert valued.fair.outcome_id.size == 0
        assert valued.edges.row.size == 0

    def test_no_policy_makes_a_consensus_of_nobody(self) -> None:
        stale = [row._replace(is_stale=True) for row in three_books()]
        assert set(reasons(stale, replace(POLICY, min_books=0)).values()) == {Reason.STALE}


class TestExchanges:
    BACK = book(4, 1.98, 1.98, commission=0.05)
    LAY = book(4, 2.02, 2.02, commission=0.05, is_lay=True)

    def test_a_close_exchange_stands_with_its_midpoint(self) -> None:
        policy = replace(POLICY, min_books=1)
        valued = value(board_of(self.BACK + book(4, 2.10, 2.02, is_lay=True)), policy)
        midpoints = [[1 + math.sqrt(0.98 * 1.10), 1 + math.sqrt(0.98 * 1.02)]]
        expected = devig(midpoints).probabilities[0]
        assert valued.fair.probability == pytest.approx(expected, rel=1e-12)

    def test_a_wide_exchange_stands_with_its_back_prices(self) -> None:
        policy = replace(POLICY, min_books=1)
        wide = fair_of(value(board_of(self.BACK + book(4, 2.9, 2.1, is_lay=True)), policy))
        assert_equal_fair(wide, fair_of(value(board_of(self.BACK), policy)))

    def test_a_stale_lay_price_makes_no_midpoint_and_no_edge(self) -> None:
        stale = [row._replace(is_stale=True) for row in book(4, 1.5, 2.02, is_lay=True)]
        valued = value(board_of(three_books() + self.BACK + stale), POLICY)
        without = value(board_of(three_books() + self.BACK), POLICY)
        assert_equal_fair(fair_of(valued), fair_of(without))
        assert valued.edges.row.tolist() == without.edges.row.tolist()

    def test_lay_prices_alone_are_no_book(self) -> None:
        quotes = three_books()[:4] + self.LAY
        assert set(reasons(quotes).values()) == {Reason.TOO_FEW_BOOKS}

    def test_a_lay_edge_is_worth_backing_the_complement_after_commission(self) -> None:
        quotes = three_books() + book(4, 1.80, 1.80) + book(4, 1.85, 3.0, is_lay=True)
        quotes = [row._replace(commission=0.02) if row.book == 4 else row for row in quotes]
        edges = value(board_of(quotes), POLICY).edges
        (row,) = edges.row.tolist()
        assert quotes[row].is_lay
        (p,) = edges.probability.tolist()
        # One unit laid at 1.85: win 0.98 if the outcome fails, lose 0.85 if it comes in.
        assert edges.ev[0] == pytest.approx(((1 - p) * 0.98 - p * 0.85) / 0.85)


class TestEdges:
    def test_a_weightless_book_is_measured_against_all_others(self) -> None:
        quotes = three_books() + book(4, 2.10, 1.85, weight=0.0)
        valued = value(board_of(quotes), POLICY)
        assert valued.edges.row.tolist() == [6]
        assert valued.edges.books.tolist() == [3]
        assert valued.edges.probability[0] == pytest.approx(valued.fair.probability[0], rel=1e-12)

    def test_an_edge_needs_the_minimum_of_other_books(self) -> None:
        quotes = three_books()[:4] + book(3, 2.05, 1.90)
        valued = value(board_of(quotes), POLICY)
        assert valued.fair.reason.tolist() == [Reason.OK, Reason.OK]
        assert valued.edges.row.size == 0

    def test_an_outlier_may_have_an_edge_but_no_say(self) -> None:
        quotes = three_books() + book(4, 3.5, 1.35)
        valued = value(board_of(quotes), POLICY)
        assert valued.fair.books.tolist() == [3, 3]
        assert valued.edges.row.tolist() == [6]

    def test_a_book_with_an_absurd_booksum_has_no_edge(self) -> None:
        quotes = three_books() + book(4, 20.0, 20.0)
        assert value(board_of(quotes), POLICY).edges.row.size == 0


class TestBoards:
    @pytest.mark.parametrize(
        "broken",
        [
            Row(1, 1, 1, 1.0),
            Row(1, 1, 1, math.nan),
            Row(1, 1, 1, math.inf),
            Row(1, 1, 1, 2.0, line=math.inf),
            Row(1, 1, 1, 2.0, weight=-1.0),
            Row(1, 1, 1, 2.0, weight=math.nan),
            Row(1, 1, 1, 2.0, commission=1.0),
            Row(1, 1, 1, 2.0, commission=-0.1),
        ],
    )
    def test_a_value_out_of_range_is_refused(self, broken: Row) -> None:
        with pytest.raises(BoardError, match="of row 1 is out of range"):
            board_of([Row(1, 1, 2, 2.0), broken])

    def test_columns_of_different_length_are_refused(self) -> None:
        board = board_of(three_books())
        with pytest.raises(BoardError, match="equally long"):
            replace(board, weight=np.ones(2))

    def test_a_quote_given_twice_is_refused(self) -> None:
        with pytest.raises(BoardError, match="bookmaker 2 quotes one side of outcome 1 twice"):
            value(board_of([*three_books(), Row(1, 1, 2, 2.5)]), POLICY)


class TestWorstCase:
    """Of each outcome the lowest probability, which the pool must not raise again."""

    PRICES = (1.25, 6.5, 13.0)

    def fair(self, method: Method) -> FloatArray:
        board = [Row(1, outcome, book, price) for book in (1, 2, 3)
                 for outcome, price in enumerate(self.PRICES)]  # fmt: skip
        policy = replace(ValuationPolicy(), method=method)
        return value(board_of(board), policy).fair.probability

    @pytest.mark.parametrize("method", [name for name in METHODS if name != "worst_case"])
    def test_no_method_gives_an_outcome_less(self, method: Method) -> None:
        assert (self.fair("worst_case") <= self.fair(method) + 1e-12).all()

    def test_it_is_a_bound_and_no_distribution(self) -> None:
        assert self.fair("worst_case").sum() < 1

    def test_a_lay_quote_is_judged_by_the_lowest_of_its_complement(self) -> None:
        lowest = self.fair("worst_case")
        quotes = [Row(1, outcome, book, price) for book in (1, 2, 3, 4)
                for outcome, price in enumerate(self.PRICES)]  # fmt: skip
        quotes.append(Row(1, 0, 4, 1.26, is_lay=True))
        policy = ValuationPolicy(method="worst_case", min_edge_ev=-1.0)
        edges = value(board_of(quotes), policy).edges
        (lay,) = np.flatnonzero(edges.row == len(quotes) - 1)
        winning = (edges.ev[lay] + 1) / (1 + 1 / (1.26 - 1))
        assert winning == pytest.approx(lowest[1] + lowest[2])
