from __future__ import annotations

import math
import re
from statistics import NormalDist
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from valuation.devig import PriceError, devig
from valuation.methods import METHODS
from valuation.policy import Method

SUMMING = [method for method in METHODS if method != "worst_case"]
NEVER_NEGATIVE = ["multiplicative", "power", "shin", "odds_ratio", "probit"]

# Published by the penaltyblog, shin and goto_conversion packages, the R package "implied" and
# Clarke, Kovalchik & Ingram (2017), to as many decimals as they give.
PUBLISHED = [
    ([2.7, 2.3, 4.4], "multiplicative", [0.35873804, 0.42112726, 0.22013470]),
    ([2.7, 2.3, 4.4], "additive", [0.3595618, 0.42397404, 0.21646416]),
    ([2.7, 2.3, 4.4], "power", [0.3591711, 0.42373075, 0.21709815]),
    ([2.7, 2.3, 4.4], "shin", [0.35934392, 0.42324385, 0.21741223]),
    ([2.7, 2.3, 4.4], "odds_ratio", [0.3588103, 0.4225611, 0.2186286]),
    ([2.6, 2.4, 4.3], "shin", [0.37299406033, 0.40477941092, 0.22222652875]),
    ([1.5, 2.74], "shin", [0.65085158151, 0.34914841849]),
    ([1.5, 2.74], "additive", [0.65085158151, 0.34914841849]),
    ([1.2, 3.4, 5.6], "goto", [0.7753528190, 0.1747947329, 0.0498524481]),
    (
        [1 / 0.87, 1 / 0.2, 1 / 0.1, 1 / 0.05, 1 / 0.02, 1 / 0.01],
        "power",
        [0.825750, 0.109403, 0.042185, 0.016267, 0.004615, 0.001780],
    ),
    ([2.1, 2.1], "power", [0.5, 0.5]),
    ([2.1, 2.1], "shin", [0.5, 0.5]),
    ([2.9, 3.6, 3.2], "shin", [0.367007, 0.298852, 0.334142]),
    ([1 + 100 / 108, 1 + 100 / 112], "multiplicative", [0.4957, 0.5043]),
]
PUBLISHED_PARAMETERS = [
    ([2.7, 2.3, 4.4], "multiplicative", 1.0324257),
    ([2.7, 2.3, 4.4], "power", 1.03091324),
    ([2.7, 2.3, 4.4], "shin", 0.01623644),
    ([2.7, 2.3, 4.4], "odds_ratio", 1.0511691),
    ([2.6, 2.4, 4.3], "shin", 0.01694251276),
    ([1.5, 2.74], "shin", 0.03172728541),
    ([1 / 0.87, 1 / 0.2, 1 / 0.1, 1 / 0.05, 1 / 0.02, 1 / 0.01], "power", 1.3748383),
    ([2.1, 2.1], "power", 0.93424),
    ([2.1, 2.1], "shin", -0.047619),
    ([2.9, 3.6, 3.2], "shin", -0.03244),
]

prices = st.one_of(
    st.floats(1, 1000, exclude_min=True), st.floats(1.01, 20), st.floats(1, 1.001, exclude_min=True)
)
markets = st.integers(2, 40).flatmap(lambda n: st.lists(prices, min_size=n, max_size=n))


def last_digit(value: float) -> float:
    """One unit of the last decimal it is written with."""
    decimals = len(repr(value).partition(".")[2])
    return float(10**-decimals)


class TestPublishedVectors:
    @pytest.mark.parametrize(("odds", "method", "expected"), PUBLISHED)
    def test_the_probabilities_are_the_published_ones(
        self, odds: list[float], method: Method, expected: list[float]
    ) -> None:
        # The source of the odds ratio vector computes it to four decimals.
        tolerance = 2e-5 if method == "odds_ratio" else max(last_digit(p) for p in expected)
        assert devig([odds], method).probabilities[0] == pytest.approx(
            expected, rel=0, abs=tolerance
        )

    @pytest.mark.parametrize(("odds", "method", "expected"), PUBLISHED_PARAMETERS)
    def test_the_parameter_is_the_published_one(
        self, odds: list[float], method: Method, expected: float
    ) -> None:
        tolerance = 1e-5 if method == "odds_ratio" else last_digit(expected)
        assert devig([odds], method).parameter[0] == pytest.approx(expected, rel=0, abs=tolerance)

    def test_the_booksum_is_the_published_one(self) -> None:
        assert devig([[2.7, 2.3, 4.4]]).booksum[0] == pytest.approx(1.0324257, abs=1e-7)

    def test_the_fair_odds_of_a_race_are_the_published_ones(self) -> None:
        fair = 1 / devig([[1.15, 5, 10, 20, 50, 100]]).probabilities[0]
        # Their exponent, 1.3735, leaves a sum of 1.00005: hence the relative tolerance.
        assert fair == pytest.approx([1.21, 9.12, 23.63, 61.23, 215.54, 558.47], rel=1e-3, abs=5e-3)

    def test_the_additive_method_goes_negative_on_the_last_two_and_says_so(self) -> None:
        devigged = devig([[1 / r for r in (0.87, 0.2, 0.1, 0.05, 0.02, 0.01)]], "additive")
        assert (devigged.probabilities[0] < 0).tolist() == [False] * 4 + [True] * 2
        assert devigged.negative.tolist() == [True]


class TestEveryMethod:
    def test_there_is_one_function_for_each_method_a_policy_can_name(self) -> None:
        assert tuple(METHODS) == get_args(Method)

    @settings(deadline=None)  # the machine may be busy
    @given(markets, st.sampled_from(SUMMING))
    def test_probabilities_sum_to_one(self, odds: list[float], method: Method) -> None:
        total = math.fsum(devig([odds], method).probabilities[0])
        assert total == pytest.approx(1, rel=0, abs=1e-12)

    @settings(deadline=None)
    @given(markets, st.sampled_from(NEVER_NEGATIVE))
    def test_these_methods_stay_between_zero_and_one(
        self, odds: list[float], method: Method
    ) -> None:
        devigged = devig([odds], method)
        assert ((devigged.probabilities >= 0) & (devigged.probabilities <= 1)).all()

    @settings(deadline=None)
    @given(markets, st.sampled_from(SUMMING))
    def test_a_shorter_price_never_gets_a_lower_probability(
        self, odds: list[float], method: Method
    ) -> None:
        probabilities = devig([sorted(odds)], method).probabilities[0]
        assert (np.diff(probabilities) <= 1e-12).all()

    @settings(deadline=None)
    @given(markets, st.sampled_from(list(METHODS)))
    def test_negative_flags_exactly_the_rows_with_a_probability_at_or_below_zero(
        self, odds: list[float], method: Method
    ) -> None:
        devigged = devig([odds], method)
        assert devigged.negative[0] == (devigged.probabilities[0] <= 0).any()

    @settings(deadline=None)
    @given(
        st.lists(st.lists(prices, min_size=3, max_size=3), min_size=1, max_size=20),
        st.sampled_from(list(METHODS)),
    )
    def test_a_market_is_worth_the_same_alone_as_among_others(
        self, odds: list[float], method: Method
    ) -> None:
        together = devig(odds, method)
        for row, market in enumerate(odds):
            alone = devig([market], method)
            assert together.probabilities[row] == pytest.approx(
                alone.probabilities[0], rel=1e-12, abs=1e-15
            )

    @pytest.mark.parametrize("method", SUMMING)
    def test_fair_odds_stay_as_they_are(self, method: Method) -> None:
        assert devig([[2.0, 4.0, 4.0]], method).probabilities[0] == pytest.approx(
            [0.5, 0.25, 0.25], rel=1e-12
        )

    @pytest.mark.parametrize("method", list(METHODS))
    def test_no_markets_have_no_probabilities(self, method: Method) -> None:
        assert devig(np.empty((0, 3)), method).probabilities.shape == (0, 3)

    @pytest.mark.parametrize("method", list(METHODS))
    @pytest.mark.parametrize(
        "odds", [[1e300, 1e300], [1.0000000000000002] * 5, [1e300, 1e-15 + 1, 2.0]]
    )
    def test_prices_at_the_limits_of_double_precision_come_to_an_end(
        self, method: Method, odds: list[float]
    ) -> None:
        probabilities = devig([odds], method).probabilities[0]
        assert not (probabilities > 1).any()


class TestEachMethod:
    @settings(deadline=None)
    @given(markets)
    def test_power_raises_every_price_to_the_same_exponent(self, odds: list[float]) -> None:
        devigged = devig([odds], "power")
        expected = np.exp(-devigged.parameter[0] * np.log(odds))
        assert devigged.probabilities[0] == pytest.approx(expected, rel=1e-9, abs=1e-15)

    @settings(deadline=None)
    @given(markets)
    def test_shin_solves_its_own_equation(self, odds: list[float]) -> None:
        devigged = devig([odds], "shin")
        z, p, q = devigged.parameter[0], devigged.probabilities[0], np.array(odds) ** -2.0
        left = (1 - z) * p**2 + z * p
        assert left == pytest.approx(q / devigged.booksum[0], rel=1e-6, abs=1e-12)

    @given(st.floats(1.001, 1000), st.floats(1.001, 1000))
    def test_shin_of_two_outcomes_is_additive(self, one: float, other: float) -> None:
        assert devig([[one, other]], "shin").probabilities[0] == pytest.approx(
            devig([[one, other]], "additive").probabilities[0], abs=1e-15
        )

    @settings(deadline=None)
    @given(markets)
    def test_odds_ratio_multiplies_the_odds_against_by_the_same_factor(
        self, odds: list[float]
    ) -> None:
        devigged = devig([odds], "odds_ratio")
        expected = 1 / (1 + devigged.parameter[0] * (np.array(odds) - 1))
        assert devigged.probabilities[0] == pytest.approx(expected, rel=1e-9, abs=1e-15)

    @settings(deadline=None)
    @given(markets)
    def test_probit_shifts_every_quantile_by_the_same_amount(self, odds: list[float]) -> None:
        devigged, standard = devig([odds], "probit"), NormalDist()
        expected = [standard.cdf(standard.inv_cdf(1 / d) - devigged.parameter[0]) for d in odds]
        assert devigged.probabilities[0] == pytest.approx(expected, rel=0, abs=1e-12)

    @settings(deadline=None)
    @given(markets)
    def test_worst_case_is_the_lowest_of_all_methods(self, odds: list[float]) -> None:
        every = [devig([odds], method).probabilities[0] for method in SUMMING]
        np.testing.assert_array_equal(
            devig([odds], "worst_case").probabilities[0], np.min(every, axis=0)
        )


class TestBadInput:
    @pytest.mark.parametrize("price", [1.0, 0.5, 0.0, -2.0, math.nan, math.inf, -math.inf])
    def test_a_price_that_is_no_number_above_one_is_refused_with_its_place(
        self, price: float
    ) -> None:
        message = re.escape(f"price {price} of market 1, outcome 0 is not above 1")
        with pytest.raises(PriceError, match=message):
            devig([[2.0, 2.0], [price, 2.0]])

    @pytest.mark.parametrize("odds", [[2.0, 2.0], 2.0, [[2.0], [2.0]], [[[2.0, 2.0]]], []])
    def test_another_shape_is_refused(self, odds: list[float]) -> None:
        with pytest.raises(PriceError, match="have shape"):
            devig(odds)

    @pytest.mark.parametrize("odds", [[[2.0, 2.0], [2.0]], [["evens", "evens"]], [[None, "x"]]])
    def test_what_is_no_table_of_numbers_is_refused(self, odds: list[float]) -> None:
        with pytest.raises(PriceError, match="not a table of numbers"):
            devig(odds)

    def test_an_unknown_method_is_refused_with_the_known_ones(self) -> None:
        with pytest.raises(ValueError, match=r"'shim'; there are multiplicative, .*shin"):
            devig([[2.0, 2.0]], "shim")  # type: ignore[arg-type]
