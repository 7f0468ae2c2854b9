"""Statistics of closing line value: the same as a plain reading of the edges."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from statistics import mean, stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import rows
from valuation.backtest.estimates import estimate
from valuation.closes.statistics import (
    CURVE_POINTS,
    Choice,
    cumulated,
    summaries,
)
from valuation.clusters import clustered_error
from valuation.models import EdgeClosing

clusters = st.lists(
    st.lists(st.floats(-1, 1, allow_nan=False), min_size=1, max_size=5), min_size=2, max_size=8
)


def error_of(found: list[list[float]]) -> float | None:
    sums, sizes = [sum(each) for each in found], [len(each) for each in found]
    products = (
        sum(s * s for s in sums),
        sum(s * n for s, n in zip(sums, sizes, strict=True)),
        float(sum(n * n for n in sizes)),
    )
    return clustered_error(sum(sizes), len(found), sum(sums), products)


@given(clusters)
def test_the_error_is_that_of_the_sums_of_deviations(found: list[list[float]]) -> None:
    samples = [each for cluster in found for each in cluster]
    middle = mean(samples)
    total = sum(sum(each - middle for each in cluster) ** 2 for cluster in found)
    expected = math.sqrt(total * len(found) / (len(found) - 1)) / len(samples)
    assert error_of(found) == pytest.approx(expected, abs=1e-6)
    event = np.repeat(np.arange(len(found)), [len(cluster) for cluster in found])
    of_bets = estimate(np.array(samples), event).standard_error
    assert of_bets == pytest.approx(expected, abs=1e-6)


@given(st.lists(st.floats(-1, 1, allow_nan=False), min_size=2, max_size=20))
def test_with_one_edge_an_event_it_is_the_plain_error(samples: list[float]) -> None:
    expected = stdev(samples) / math.sqrt(len(samples))
    assert error_of([[each] for each in samples]) == pytest.approx(expected, abs=1e-6)


def test_one_event_has_no_error() -> None:
    assert clustered_error(3, 1, 0.3, (0.09, 0.9, 9.0)) is None


@pytest.mark.django_db
def test_classes_are_those_of_a_plain_reading() -> None:
    bookmakers = [rows.make_bookmaker() for _ in range(3)]
    for number in range(12):
        market = rows.make_market(rows.make_event())
        for place, bookmaker in enumerate(bookmakers[: 1 + number % 3]):
            quote = rows.make_quote(
                rows.make_outcome(market, f"O{place}"), rows.make_feed(), bookmaker=bookmaker
            )
            rows.make_edge_closing(
                rows.make_edge(quote), (number * 7 + place * 3) % 11 / 100 - 0.05
            )

    by_hand: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in EdgeClosing.objects.all():
        by_hand[row.edge.quote.bookmaker.key][row.market.event_id].append(row.opened_clv)
    found = summaries(Choice(since=rows.NOON), "bookmaker")

    assert {each.key for each in found} == set(by_hand)
    for each in found:
        events = list(by_hand[each.key].values())
        samples = [value for event in events for value in event]
        assert (each.count, each.events) == (len(samples), len(events))
        assert each.mean == pytest.approx(mean(samples))
        assert each.standard_error == pytest.approx(error_of(events))
        assert each.beats_close == pytest.approx(mean(value > 0 for value in samples))


@pytest.mark.django_db
def test_the_curve_adds_up_all_edges_in_the_order_of_their_starts() -> None:
    since = datetime.now(UTC) - timedelta(days=1)
    market = rows.make_market()
    for number in range(CURVE_POINTS + 30):
        quote = rows.make_quote(rows.make_outcome(market, f"O{number}"), rows.make_feed())
        rows.make_edge_closing(
            rows.make_edge(quote), 0.01, closes_at=rows.NOON - timedelta(minutes=number)
        )

    curve = cumulated(Choice(since=since))

    assert len(curve) == CURVE_POINTS
    assert [point.at for point in curve] == sorted(point.at for point in curve)
    assert curve[-1].total == pytest.approx(0.01 * (CURVE_POINTS + 30))
    assert curve[-1].at == rows.NOON
