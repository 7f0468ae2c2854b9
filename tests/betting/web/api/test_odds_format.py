"""Odds in the format that the client asks for, beside the decimal ones that stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from betting.models import Market
from streaming.core.american import from_american
from streaming.core.odds_formats import written
from tests.betting.web.api.filled import url
from tests.betting.web.api.test_access import assert_problem
from tests.support import rows

PRICES = {"price", "net_price", "fair_odds", "opened_price", "old_price", "new_price"}


def objects(answer: Any) -> Iterator[dict[str, Any]]:
    """Every object within an answer."""
    if isinstance(answer, dict):
        yield answer
        answer = list(answer.values())
    if isinstance(answer, list):
        for each in answer:
            yield from objects(each)


@pytest.fixture
def addresses(db: None) -> list[str]:  # noqa: ARG001 - asks for a fixture
    """An address of everything that shows prices."""
    board = rows.make_board((2.2, 1.8), (1.8, 2.2), voices=3)
    rows.make_rival(board.quotes[0], 1.7)
    arbitrage = rows.make_opportunity(board.quotes[0], board.quotes[3])
    rows.make_opportunity(board.quotes[0], board.quotes[2], gap=1.0)
    Market.objects.update(valued_at=rows.NOON)
    edge = board.quotes[0].edges.get()
    assert arbitrage.profit > 0
    market, quote = f"/api/v1/markets/{board.market.pk}/", f"/api/v1/quotes/{board.quotes[0].pk}/"
    lists = ("quotes", "fair-prices", "edges", "arbitrages", "middles")
    return [
        *map(url, lists),
        f"/api/v1/edges/{edge.pk}/",
        *(market, f"{market}best/", f"{market}comparison/", f"{market}history/"),
        *(quote, f"{quote}history/"),
    ]


@pytest.mark.parametrize("style", ["decimal", "american", "fractional"])
def test_every_price_is_written_in_the_format_and_stays_a_number(
    reader: APIClient, addresses: list[str], style: Any
) -> None:
    for address in addresses:
        plain = reader.get(address).json()
        answer = reader.get(address, {"odds_format": style}).json()
        priced = [(each, name) for each in objects(answer) for name in PRICES & each.keys()]
        assert priced, address
        for each, name in priced:
            price = each.pop(f"{name}_display")
            assert price == (each[name] and written(each[name], style)), (address, name)
        for each in (*objects(answer), *objects(plain)):
            each.pop("age_seconds", None)  # time has passed
        assert answer == plain, address


def test_without_a_format_nothing_is_added(reader: APIClient, addresses: list[str]) -> None:
    for address in addresses:
        assert b"_display" not in reader.get(address).content


def test_a_format_that_there_is_not_is_refused_everywhere(
    reader: APIClient, addresses: list[str]
) -> None:
    for address in addresses:
        problem = assert_problem(reader.get(address, {"odds_format": "hongkong"}), 400)
        assert "decimal, american, fractional" in problem["errors"]["odds_format"][0]


def test_another_format_is_another_version_of_a_page(
    reader: APIClient,
    addresses: list[str],
) -> None:
    for address in addresses[:3]:
        tag = reader.get(address)["ETag"]
        given = {"odds_format": "american"}
        assert reader.get(address, given, HTTP_IF_NONE_MATCH=tag).status_code == 200


@given(st.floats(1.001, 1_000))
def test_the_words_mean_the_price(price: float) -> None:
    american = from_american(float(written(price, "american")))
    numerator, denominator = map(int, written(price, "fractional").split("/"))

    assert numerator > 0
    assert american - 1 == pytest.approx(price - 1, rel=0.01)
    assert numerator / denominator == pytest.approx(price - 1, rel=0.5, abs=1 / 20)
    assert float(written(price, "decimal")) == pytest.approx(price, abs=0.0006)
