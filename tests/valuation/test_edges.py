from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from valuation.arrays import BoolArray, FloatArray
from valuation.devig import PriceError
from valuation.edges import (
    advised_stake,
    arbitrage,
    bet_odds,
    closing_line_value,
    effective_commission,
    expected_value,
    hold,
    kelly,
    lay_as_back,
    middles,
    net_back,
    net_lay,
)
from valuation.policy import ValuationPolicy

odds = st.floats(1.01, 100).map(np.array)
commissions = st.floats(0, 0.2).map(np.array)
probabilities = st.floats(0.01, 0.99).map(np.array)


def test_the_worked_bet_has_its_ev_and_kelly_stake() -> None:
    p, d = np.array([0.5]), np.array([2.5])
    assert expected_value(p, d).tolist() == [0.25]
    assert kelly(p, d) == pytest.approx([0.16667], abs=5e-6)


@given(probabilities, odds)
def test_kelly_maximises_the_expected_logarithm_of_the_bankroll(
    p: FloatArray, d: FloatArray
) -> None:
    def growth(stake: float) -> float:
        return float(p * np.log1p(stake * (d - 1)) + (1 - p) * np.log1p(-stake))

    best = float(kelly(p, d))
    assert 0 <= best < 1
    for other in (best * 0.99, min(best + 0.001, 0.999)):
        assert growth(best) >= growth(other) - 1e-12


def test_a_losing_bet_gets_no_stake() -> None:
    assert kelly(np.array([0.4]), np.array([2.0])).tolist() == [0.0]


def test_the_advised_stake_is_a_quarter_and_at_most_two_percent() -> None:
    assert advised_stake(np.array([0.04, 0.1667]), ValuationPolicy()).tolist() == [0.01, 0.02]


def test_commission_is_taken_from_winnings() -> None:
    assert net_back(np.array([2.0]), np.array([0.05])).tolist() == [1.95]
    assert net_lay(np.array([2.0]), np.array([0.05])) == pytest.approx([2.053], abs=5e-4)


@given(odds, commissions)
def test_the_net_lay_odds_are_as_good_without_commission(
    price: FloatArray, commission: FloatArray
) -> None:
    net = net_lay(price, commission)
    assert lay_as_back(net, np.array(0.0)) == pytest.approx(lay_as_back(price, commission))


@given(probabilities, odds, commissions)
def test_the_ev_of_a_lay_bet_is_per_unit_of_liability(
    p: FloatArray, price: FloatArray, commission: FloatArray
) -> None:
    win, liability = 1 - commission, price - 1
    by_hand = ((1 - p) * win - p * liability) / liability
    ev = expected_value(1 - p, lay_as_back(price, commission))
    assert ev == pytest.approx(by_hand, rel=1e-9, abs=1e-12)


@given(odds, st.floats(0, 0.99).map(np.array), st.booleans().map(np.array))
def test_the_net_odds_of_a_contract_are_those_of_its_price_and_fee(
    price: FloatArray, rate: FloatArray, is_lay: BoolArray
) -> None:
    p = 1 / price
    cost = 1 - p if is_lay else p
    commission = effective_commission(price, rate, is_lay, np.array(True))
    assert 0 <= commission < 1
    net = bet_odds(price, commission, is_lay)
    assert net == pytest.approx(1 / (cost + rate * p * (1 - p)), rel=1e-9)


@given(odds, commissions, st.booleans().map(np.array))
def test_a_commission_on_winnings_is_the_same_at_every_price(
    price: FloatArray, rate: FloatArray, is_lay: BoolArray
) -> None:
    assert effective_commission(price, rate, is_lay, np.array(False)) == rate


def test_a_fee_that_is_not_known_stays_unknown() -> None:
    either = np.array([True, False])
    nothing = np.array([np.nan, np.nan])
    assert np.isnan(effective_commission(np.array([2.0, 2.0]), nothing, either, either)).all()


def test_hold_is_the_margin_over_all_stakes() -> None:
    assert hold(np.array([1.0, 1.25])) == pytest.approx([0.0, 0.2])


def test_closing_line_value_compares_the_entry_with_the_close() -> None:
    assert closing_line_value(np.array([0.52]), np.array([2.0])) == pytest.approx([0.04])


class TestArbitrage:
    def test_the_worked_arbitrage_has_its_profit_and_stakes(self) -> None:
        sure = arbitrage([[3.10, 3.50, 3.10]])
        assert sure.profit == pytest.approx([0.0743], abs=5e-5)
        assert sure.stakes[0] == pytest.approx([0.3465, 0.3069, 0.3465], abs=5e-5)

    @given(arrays(float, (3, 4), elements=st.floats(1.01, 50)))
    def test_every_outcome_returns_the_same(self, best: FloatArray) -> None:
        sure = arbitrage(best)
        assert sure.stakes.sum(axis=1) == pytest.approx(np.ones(3))
        returns = sure.stakes * best - 1
        assert returns == pytest.approx(np.broadcast_to(sure.profit[:, np.newaxis], (3, 4)))
        assert ((sure.booksum < 1) == (sure.profit > 0)).all()

    def test_prices_that_are_none_are_refused(self) -> None:
        with pytest.raises(PriceError):
            arbitrage([[2.0, np.nan]])


class TestMiddles:
    def test_two_points_backed_on_both_sides_make_a_middle(self) -> None:
        pair = middles(*(np.array([v]) for v in (45.5, 1.95, 47.5, 1.95)))
        assert pair.gap.tolist() == [2.0]
        assert pair.worst == pytest.approx([-0.025])
        assert pair.best == pytest.approx([0.95])

    def test_the_break_even_probability_pays_for_the_pair(self) -> None:
        pair = middles(*(np.array([v]) for v in (45.5, 1.87, 47.5, 1.80)))
        p = pair.break_even
        assert p * pair.best + (1 - p) * pair.worst == pytest.approx([0.0], abs=1e-12)

    def test_a_spread_is_a_middle_on_the_scale_of_the_home_margin(self) -> None:
        # Home −2.5 wins by 3 or more, away +4.5 (line −4.5) loses by 4 or fewer: 3 and 4 win both.
        home_line, away_line = np.array([-2.5]), np.array([-4.5])
        pair = middles(-home_line, np.array([1.9]), -away_line, np.array([1.9]))
        assert pair.gap.tolist() == [2.0]

    def test_points_that_meet_or_cross_leave_no_middle(self) -> None:
        points, prices = np.array([45.5]), np.array([1.9])
        assert middles(points, prices, points, prices).gap.size == 0
        assert middles(points, prices, points - 1, prices).gap.size == 0

    def test_the_cheapest_middle_comes_first(self) -> None:
        above, below = np.array([44.5, 45.5]), np.array([46.5, 45.5, 47.5])
        pair = middles(above, np.array([1.8, 1.95]), below, np.array([2.0, 1.9, 1.8]))
        found = list(zip(pair.above.tolist(), pair.below.tolist(), strict=True))
        assert found == [(1, 0), (0, 0), (1, 2), (0, 1), (0, 2)]
        assert (np.diff(pair.break_even) >= 0).all()
