"""Closing line value in the API: what is counted, by what class, and how it is bounded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.betting.web.api.filled import url
from tests.support import rows
from valuation.closes import statistics
from valuation.models import EdgeClosing

pytestmark = pytest.mark.django_db


def make(clv: float, *, bookmaker: Any = None, warnings: Any = (), **fields: Any) -> EdgeClosing:
    """An edge of an event of its own, with what it was worth at the close."""
    market = rows.make_market(rows.make_event())
    outcome = rows.make_outcome(market, "Over")
    quote = rows.make_quote(outcome, rows.make_feed(), **_of(bookmaker))
    edge = rows.make_edge(quote, warnings=list(warnings), advised=0.0)
    return rows.make_edge_closing(edge, clv, **fields)


def _of(bookmaker: Any) -> dict[str, Any]:
    return {} if bookmaker is None else {"bookmaker": bookmaker}


def clv(reader: APIClient, **query: Any) -> Any:
    response = reader.get(url("clv"), query)
    assert response.status_code == 200, response.content
    return response.json()


def test_edges_are_counted_with_their_mean_and_its_error(reader: APIClient) -> None:
    for value in (0.04, -0.02, 0.01):
        make(value, opened_ev=0.03)

    answer = clv(reader)

    total = answer["total"]
    assert (total["count"], total["events"], answer["groups"]) == (3, 3, [])
    assert total["mean"] == pytest.approx(0.01)
    # One edge an event: the plain standard error, 0.03 / √3.
    assert total["standard_error"] == pytest.approx(0.03 / 3**0.5)
    assert total["beats_close"] == pytest.approx(2 / 3)
    assert total["claimed_ev"] == pytest.approx(0.03)


def test_without_an_edge_there_is_no_total(reader: APIClient) -> None:
    assert clv(reader)["total"] is None


def test_bookmakers_are_classes_the_largest_first(reader: APIClient) -> None:
    ace, bay = rows.make_bookmaker(key="ace", title="Ace"), rows.make_bookmaker(key="bay")
    for number in range(40):
        make(-0.05 + number % 3 * 0.001, bookmaker=ace)
    make(0.02, bookmaker=bay)

    first, second = clv(reader, group_by="bookmaker")["groups"]

    assert (first["key"], first["title"], first["count"]) == ("ace", "Ace", 40)
    assert first["is_losing"]
    assert (second["key"], second["count"], second["standard_error"]) == ("bay", 1, None)
    assert not second["is_losing"]


def test_few_edges_are_not_judged(reader: APIClient) -> None:
    for number in range(statistics.ENOUGH - 1):
        make(-0.05 + number % 3 * 0.001)
    assert not clv(reader)["total"]["is_losing"]


@pytest.mark.parametrize(
    ("group_by", "fields", "names"),
    [
        ("ev", [{"opened_ev": 0.015}, {"opened_ev": 0.2}], ["1–2 %", "10 % and more"]),
        ("hours", [{"ahead_seconds": 60}, {"ahead_seconds": 7200}], ["less than 1 h", "1–3 h"]),
        ("age", [{"open_seconds": 0}, {"open_seconds": 4000}], ["less than 10 s", "1 h and more"]),
    ],
)
def test_bands_come_in_their_order(
    reader: APIClient, group_by: str, fields: list[dict[str, float]], names: list[str]
) -> None:
    for each in reversed(fields):
        make(0.01, **each)
    groups = clv(reader, group_by=group_by)["groups"]
    assert [group["key"] for group in groups] == names


def test_edges_are_chosen_by_what_they_are_of(reader: APIClient) -> None:
    made = make(0.01)
    make(0.03)
    sport = made.market.event.sport.key
    bookmaker = made.edge.quote.bookmaker.key
    for query in ({"sport": sport}, {"bookmaker": bookmaker}):
        assert clv(reader, **query)["total"]["mean"] == pytest.approx(0.01), query
    assert clv(reader, kind="totals")["total"] is None
    assert clv(reader, min_ev=0.5)["total"] is None


def test_doubtful_edges_count_on_request(reader: APIClient) -> None:
    make(0.01)
    make(-0.9, warnings=["suspicious"])
    assert clv(reader)["total"]["count"] == 1
    assert clv(reader, doubtful="true")["total"]["count"] == 2


def test_the_best_price_and_an_anchor_judge_as_well(reader: APIClient) -> None:
    anchor = rows.make_bookmaker(key="pinnacle")
    make(0.01, best_clv=0.05)
    make(
        0.01, best_clv=0.01, anchor=anchor, anchor_probability=0.5, anchor_opened_clv=-0.02,
        anchor_best_clv=-0.01,
    )  # fmt: skip
    assert clv(reader, price="best")["total"]["mean"] == pytest.approx(0.03)
    by_anchor = clv(reader, judge="anchor")["total"]
    assert (by_anchor["count"], by_anchor["mean"]) == (1, pytest.approx(-0.02))
    best = clv(reader, judge="anchor", price="best")["total"]
    assert best["mean"] == pytest.approx(-0.01)


def test_old_closes_are_left_out(reader: APIClient) -> None:
    make(0.01, taken_at=datetime.now(UTC) - timedelta(days=10))
    assert clv(reader, days=9)["total"] is None
    assert clv(reader, days=11)["total"]["count"] == 1


def test_only_the_newest_edges_are_counted(
    reader: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(statistics._LIMITS, "max_edges", 2)
    for value in (0.5, 0.01, 0.03):
        make(value)
    assert clv(reader)["total"]["mean"] == pytest.approx(0.02)


@pytest.mark.parametrize(
    "query", [{"group_by": "team"}, {"days": 0}, {"days": 400}, {"price": "low"}, {"who": "me"}]
)
def test_what_is_not_a_choice_is_a_mistake(reader: APIClient, query: dict[str, Any]) -> None:
    assert reader.get(url("clv"), query).status_code == 400
