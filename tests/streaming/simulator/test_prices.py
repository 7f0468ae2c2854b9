from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.american import from_american, to_american
from streaming.simulator.catalogue import BOOKMAKERS
from streaming.simulator.prices import lay_price, shown_price, with_margin

implied = st.floats(0.01, 0.99)
books = st.sampled_from(BOOKMAKERS)


@given(st.integers(100, 20_000), st.booleans())
def test_american_odds_survive_the_way_to_decimal_and_back(size: int, is_favourite: bool) -> None:
    odds = -size if is_favourite and size > 100 else size
    assert to_american(from_american(odds)) == odds


@given(implied, books)
def test_a_shown_price_is_near_the_price_meant_and_has_two_decimals(r: float, book: object) -> None:
    assert isinstance(book, type(BOOKMAKERS[0]))
    price = shown_price(r, book)
    assert price >= 1.01
    assert price == round(price, 2)
    assert price == pytest.approx(1 / r, rel=0.06)


@given(implied)
def test_american_books_show_prices_that_are_round_american_odds(r: float) -> None:
    book = next(book for book in BOOKMAKERS if book.ladder == "american")
    price = shown_price(r, book)
    # Two decimals cannot tell neighbouring short favourites apart.
    odds = 5 * round(to_american(price) / 5)
    assert price == pytest.approx(from_american(odds), abs=0.0051)


@given(implied)
def test_an_exchange_lays_above_the_price_at_which_it_backs(r: float) -> None:
    exchange = next(book for book in BOOKMAKERS if book.is_exchange)
    back = shown_price(r, exchange)
    assert lay_price(r, back) > back


@given(st.lists(st.floats(0.02, 1.0), min_size=2, max_size=3), st.floats(0.0, 0.2), st.floats(0, 1))
def test_a_margin_is_exactly_the_sum_above_one(
    weights: list[float], overround: float, skew: float
) -> None:
    probabilities = tuple(weight / sum(weights) for weight in weights)
    implied = with_margin(probabilities, overround, skew)
    assert sum(implied) == pytest.approx(1 + overround, abs=1e-12)


def test_a_skewed_margin_weighs_more_on_the_longshot() -> None:
    level, skewed = (with_margin((0.8, 0.2), 0.06, skew) for skew in (0.0, 0.5))
    assert skewed[1] / 0.2 > level[1] / 0.2 == pytest.approx(level[0] / 0.8)
