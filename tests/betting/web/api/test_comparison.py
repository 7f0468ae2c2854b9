"""The comparison of a market: every bookmaker's price, and whether it can be bet on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from betting.models import FeedBookmaker, Quote
from tests.betting.web.api.test_access import assert_problem
from tests.support import rows
from valuation.models import FairPrice

pytestmark = pytest.mark.django_db


@pytest.fixture
def board() -> rows.Board:
    """Two bookmakers of a live provider, and three that vouch for the first one's edge."""
    return rows.make_board((2.0, 1.7), (1.9, 1.8), provider=rows.make_provider(), voices=3)


def comparison(reader: APIClient, board: rows.Board, **given: str) -> dict[str, Any]:
    response = reader.get(f"/api/v1/markets/{board.market.pk}/comparison/", given)
    assert response.status_code == 200, response.content
    found: dict[str, Any] = response.json()
    return found


def home(reader: APIClient, board: rows.Board) -> dict[str, Any]:
    (line,) = comparison(reader, board)["lines"]
    found: dict[str, Any] = line["outcomes"][0]
    return found


def test_every_bookmaker_stands_beside_the_fair_and_the_best_price(
    reader: APIClient, board: rows.Board
) -> None:
    answer = comparison(reader, board)

    (line,) = answer["lines"]
    first = line["outcomes"][0]
    edge = board.quotes[0].edges.get(closed_at=None)
    assert answer["market"]["id"] == board.market.pk
    assert first["outcome"]["name"] == board.event.home
    assert first["fair"] == {"probability": 0.5, "fair_odds": 2.0, "reason": ""}
    assert first["best_back"]["quote"] == board.quotes[0].pk
    assert first["best_lay"] is None
    assert len(line["books"]) == len(first["prices"]) == 5
    (own,) = (price for price in first["prices"] if price["edge"])
    assert (own["edge"], own["ev"], own["state"], own["reason"]) == (edge.pk, edge.ev, "fresh", "")
    assert {price["ev"] for price in first["prices"] if price is not own} == {None}


def test_the_sharpest_bookmaker_comes_first(reader: APIClient, board: rows.Board) -> None:
    sharp = board.quotes[2].bookmaker
    sharp.weight = 9.0
    sharp.save()

    (line,) = comparison(reader, board)["lines"]

    book = {"key": sharp.key, "title": sharp.title, "is_venue": True, "weight": 9.0}
    assert line["books"][0] == book
    for outcome in line["outcomes"]:
        assert [price["bookmaker"] for price in outcome["prices"]] == [
            book["key"] for book in line["books"]
        ]


@pytest.mark.parametrize("status", ["suspended", "quarantined"])
def test_a_price_that_must_not_be_taken_says_why_and_is_not_the_best(
    reader: APIClient, board: rows.Board, status: str
) -> None:
    Quote.objects.filter(pk=board.quotes[0].pk).update(status=status)

    first = home(reader, board)

    (lost,) = (price for price in first["prices"] if price["state"] != "fresh")
    assert (lost["quote"], lost["state"]) == (board.quotes[0].pk, status)
    assert lost["reason"]
    assert lost["edge"] is lost["ev"] is None
    assert first["best_back"]["price"] == 1.9


def test_a_price_that_nobody_has_confirmed_is_stale_and_says_its_age(
    reader: APIClient, board: rows.Board
) -> None:
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    rows.make_feed_bookmaker(
        board.feed,
        bookmaker=board.quotes[0].bookmaker,
        confirmed_at=hour_ago,
        expires_at=hour_ago + timedelta(minutes=2),
        stale_markets=[board.market.pk],
    )
    assert FeedBookmaker.objects.count() == 1

    first = home(reader, board)

    (stale,) = (price for price in first["prices"] if price["state"] == "stale")
    assert stale["quote"] == board.quotes[0].pk
    assert 3_600 <= stale["age_seconds"] < 3_700
    assert first["best_back"]["price"] == 1.9


def test_an_exchanges_lay_stands_after_its_back(reader: APIClient, board: rows.Board) -> None:
    exchange = rows.make_bookmaker(kind="exchange", commission=0.02)
    feed = rows.make_feed(board.provider)
    for side, price in (("lay", 2.1), ("back", 2.04)):
        rows.make_quote(board.outcomes[0], feed, price, bookmaker=exchange, side=side)

    first = home(reader, board)

    sides = [(p["side"], p["price"]) for p in first["prices"] if p["bookmaker"] == exchange.key]
    assert sides == [("back", 2.04), ("lay", 2.1)]
    assert (first["best_back"]["price"], first["best_lay"]["price"]) == (2.04, 2.1)


def test_an_outcome_without_a_fair_price_says_why(reader: APIClient, board: rows.Board) -> None:
    FairPrice.objects.filter(outcome=board.outcomes[0]).update(
        state="none", probability=None, reason="too few bookmakers"
    )
    FairPrice.objects.filter(outcome=board.outcomes[1]).delete()

    (line,) = comparison(reader, board)["lines"]

    fairs = [outcome["fair"] for outcome in line["outcomes"]]
    assert fairs == [
        {"probability": None, "fair_odds": None, "reason": "too few bookmakers"},
        None,
    ]


def test_odds_are_written_as_asked_at_every_depth(reader: APIClient, board: rows.Board) -> None:
    (line,) = comparison(reader, board, odds_format="american")["lines"]

    first = line["outcomes"][0]
    assert first["fair"]["fair_odds_display"] == "+100"
    assert first["best_back"]["price_display"] == "+100"
    assert "-111" in [price["price_display"] for price in first["prices"]]


def test_a_comparison_takes_as_many_statements_for_many_books_as_for_few(
    reader: APIClient, board: rows.Board
) -> None:
    with CaptureQueriesContext(connection) as few:
        comparison(reader, board)
    rows.make_voices(board.outcomes, rows.make_feed(board.provider), 20)
    with CaptureQueriesContext(connection) as many:
        comparison(reader, board)

    assert len(many) == len(few) <= 6


def test_a_market_that_there_is_not_and_a_misspelt_parameter_are_mistakes(
    reader: APIClient, board: rows.Board
) -> None:
    assert_problem(reader.get("/api/v1/markets/999999999/comparison/"), 404)
    address = f"/api/v1/markets/{board.market.pk}/comparison/"
    assert "odd" in assert_problem(reader.get(address, {"odd": "1"}), 400)["errors"]


def test_a_market_without_prices_has_no_lines(reader: APIClient) -> None:
    assert comparison(reader, rows.make_board())["lines"] == []
