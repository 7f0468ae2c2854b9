from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.failures import DataFailure
from streaming.providers.kalshi.contracts import (
    MICRO,
    Contract,
    Touch,
    micro,
    moneyline,
    offers,
    spread,
    total,
)

PRICES = st.none() | st.integers(1, MICRO - 1)
TOUCHES = st.builds(Touch, PRICES, PRICES)


def prices(contract: Contract, touch: Touch) -> dict[tuple[str, float | None, str], float | None]:
    quotes = offers(contract, touch, None)
    return {(quote.name, quote.point, quote.side): quote.price for quote in quotes}


@given(st.integers(0, MICRO), st.integers(1, 6))
def test_a_price_is_counted_exactly(millionths: int, places: int) -> None:
    step = 10 ** (6 - places)
    millionths -= millionths % step
    text = f"{Decimal(millionths) / MICRO:.{places}f}"
    assert micro(text) == millionths


def test_a_team_is_backed_at_the_ask_and_laid_at_the_bid() -> None:
    assert prices(moneyline("Gulls"), Touch.of(400_000, 500_000)) == {
        ("Gulls", None, "back"): 2.0,
        ("Gulls", None, "lay"): 2.5,
    }


def test_no_of_a_handicap_is_the_opponent_with_the_points() -> None:
    # NO costs 1 − 0.40 = 0.60 to take, and 1 − 0.50 = 0.50 is bid for it.
    contract = spread("Gulls", "Owls", 20.5, is_home=True)
    assert prices(contract, Touch.of(400_000, 500_000)) == {
        ("Gulls", -20.5, "back"): 2.0,
        ("Gulls", -20.5, "lay"): 2.5,
        ("Owls", 20.5, "back"): MICRO / 600_000,
        ("Owls", 20.5, "lay"): 2.0,
    }
    assert {quote.line for quote in offers(contract, Touch(None, None), None)} == {-20.5}


def test_no_of_a_total_is_the_under() -> None:
    assert prices(total(180.5), Touch.of(0, 800_000)) == {
        ("Over", 180.5, "back"): 1.25,
        ("Over", 180.5, "lay"): None,
        ("Under", 180.5, "back"): None,
        ("Under", 180.5, "lay"): 5.0,
    }


@pytest.mark.parametrize(
    ("bid", "ask", "touch"),
    [
        (0, 0, Touch(None, None)),
        (0, MICRO, Touch(None, None)),
        (MICRO, 10_000, Touch(None, 10_000)),
        (990_000, MICRO, Touch(990_000, None)),
    ],
)
def test_nothing_and_a_whole_dollar_are_off_the_board(bid: int, ask: int, touch: Touch) -> None:
    assert Touch.of(bid, ask) == touch


def test_the_odds_are_free_of_the_noise_of_a_float_subtraction() -> None:
    exactly = float(Fraction(100, 7))
    assert exactly != 1 / (1 - 0.93)
    under = prices(total(2.5), Touch.of(micro("0.9300"), micro("0.9400")))["Under", 2.5, "back"]
    assert under == exactly


@given(TOUCHES)
def test_no_seen_from_its_own_end_is_yes_again(touch: Touch) -> None:
    assert touch.turned().turned() == touch


@given(TOUCHES)
def test_every_price_is_above_one_and_both_ends_cost_the_spread(touch: Touch) -> None:
    quoted = prices(total(2.5), touch)
    assert all(price is None or price > 1 for price in quoted.values())
    over, under = quoted["Over", 2.5, "back"], quoted["Under", 2.5, "back"]
    if touch.bid is not None and touch.ask is not None:
        assert over is not None
        assert under is not None
        spread_dollars = (touch.ask - touch.bid) / MICRO
        assert 1 / over + 1 / under == pytest.approx(1 + spread_dollars)


@pytest.mark.parametrize("strike", [20.0, 0.0, 7.25, -3.0])
def test_a_strike_that_can_be_met_is_no_bookmakers_line(strike: float) -> None:
    with pytest.raises(DataFailure, match="met exactly"):
        total(strike)
    with pytest.raises(DataFailure, match="met exactly"):
        spread("Gulls", "Owls", strike, is_home=True)
