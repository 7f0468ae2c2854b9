"""The history of an outcome's odds, against one that is followed change by change."""

from __future__ import annotations

import bisect
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from betting.models import LineChange, Quote
from betting.web.board.history import SAMPLES, history
from tests.support import rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)

changes = st.lists(
    st.tuples(st.integers(-7_200, 0), st.none() | st.floats(1.01, 50.0)), max_size=12
)


def move(quote: Quote, at: datetime, price: float | None) -> None:
    rows.make_change(
        quote,
        kind="suspended" if price is None else "resumed",
        old_price=2.0,
        new_price=price,
        received_at=at,
    )


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(moves=changes)
@example(moves=[(-seconds, 2.0) for seconds in range(1, 12)] + [(0, 3.0)])
@example(moves=[(-7_193, 2.0), (0, 3.0)])
def test_at_each_sample_the_price_is_that_of_the_last_change(
    board: rows.Board, moves: list[tuple[int, float | None]]
) -> None:
    quote = board.quotes[0]
    LineChange.objects.all().delete()
    ordered = sorted(moves, key=lambda each: each[0])
    for seconds, price in ordered:
        move(quote, NOW + timedelta(seconds=seconds), price)

    points = history(quote.outcome, "1h", NOW).books.get(quote.bookmaker.title, [])

    if not ordered or ordered[0][0] == 0:
        assert points == []
        return
    first = max(ordered[0][0], -3_600)
    width = -first / SAMPLES
    at = [seconds for seconds, _ in ordered]
    for place in range(SAMPLES + 1):
        moment = first + place * width
        # A change belongs to the first sample that is not before it.
        known = bisect.bisect_right(at, moment + 1e-6)
        expected = ordered[known - 1][1] if known else None
        assert _at(points, NOW.timestamp() + moment) == (
            None if expected is None else pytest.approx(expected, abs=1e-4)
        )


def _at(points: list[tuple[float, float | None]], moment: float) -> float | None:
    place = bisect.bisect_right([at for at, _ in points], moment + 0.001)
    return points[place - 1][1] if place else None


def test_the_fair_odds_are_those_of_the_books_at_each_time(board: rows.Board) -> None:
    LineChange.objects.all().delete()
    for quote in Quote.objects.filter(market=board.market):
        move(quote, NOW - timedelta(minutes=40), 1.9)
    fair = history(board.outcomes[0], "1h", NOW).fair
    assert [odds for _, odds in fair] == [2.0, 2.0]


def test_too_few_books_make_no_fair_odds(board: rows.Board) -> None:
    LineChange.objects.all().delete()
    move(board.quotes[0], NOW - timedelta(minutes=40), 1.9)
    assert {odds for _, odds in history(board.outcomes[0], "1h", NOW).fair} == {None}


def test_major_moves_are_marked(board: rows.Board) -> None:
    at = NOW - timedelta(minutes=10)
    rows.make_change(board.quotes[0], classification="major", received_at=at)
    assert list(history(board.outcomes[0], "1h", NOW).major_moves) == [at.timestamp()]


def test_an_outcome_without_changes_has_an_empty_history(reader: Client, board: rows.Board) -> None:
    LineChange.objects.all().delete()
    answer = reader.get(f"/history/{board.outcomes[0].pk}/?window=nonsense")
    assert answer.json()["books"] == {}
    assert reader.get("/history/0/").status_code == 404
