"""The end of a resource: exact on a line, steady against outliers, and silent without a trend."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.exhaustion import (
    TrendPolicy,
    exhausted_at,
    significance,
    since_last_drop,
    slope,
)

POLICY = TrendPolicy()
COUNT = 36
PLENTY = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40)


def line(rise: float, level: float = 0.0) -> list[tuple[float, float]]:
    return [(600.0 * place, level + rise * 600.0 * place) for place in range(COUNT)]


@given(st.floats(1e-5, 1e3), st.floats(-1e3, 1e3), st.floats(0.1, 15))
def test_a_line_is_followed_to_its_limit(rise: float, level: float, spans: float) -> None:
    points = line(rise, level)
    last = points[-1][0]
    at = last + spans * last

    found = exhausted_at(points, level + rise * at)

    assert found == pytest.approx(at, rel=1e-4)


@given(st.floats(0.01, 10), st.data())
def test_a_few_outliers_do_not_turn_the_line(rise: float, data: st.DataObject) -> None:
    points = line(rise)
    odd = data.draw(st.lists(st.integers(0, COUNT - 1), max_size=3, unique=True))
    spoilt = [
        (at, data.draw(st.floats(-1e5, 1e5)) if place in odd else level)
        for place, (at, level) in enumerate(points)
    ]

    assert slope(spoilt) == pytest.approx(rise, rel=0.35)


@given(PLENTY)
def test_levels_that_fall_or_stay_never_run_out(levels: list[float]) -> None:
    falling = [(60.0 * place, level) for place, level in enumerate(sorted(levels, reverse=True))]

    assert exhausted_at(falling, 1e9) is None


@given(PLENTY)
def test_the_same_levels_backwards_have_the_opposite_trend(levels: list[float]) -> None:
    points = [(60.0 * place, level) for place, level in enumerate(levels)]
    backwards = [(60.0 * place, level) for place, level in enumerate(reversed(levels))]

    assert significance(points) == pytest.approx(-significance(backwards))


@given(st.floats(0.1, 10), st.integers(-3, 3), st.floats(0, 1e6))
def test_neither_the_unit_nor_the_beginning_matters(
    rise: float, exponent: int, later: float
) -> None:
    unit = 2.0**exponent
    points, limit = line(rise), rise * 40_000
    moved = [(at + later, level * unit) for at, level in points]

    one, other = exhausted_at(points, limit), exhausted_at(moved, limit * unit)

    assert one is not None
    assert other == pytest.approx(one + later, rel=1e-6)


def test_too_few_points_and_levels_by_chance_say_nothing() -> None:
    assert exhausted_at(line(1.0)[: POLICY.min_points - 1], 1e5) is None
    noise = [(600.0 * place, (place * 7919) % 13 / 13) for place in range(COUNT)]
    assert exhausted_at(noise, 2.0) is None


def test_a_line_is_not_followed_further_than_some_times_its_span() -> None:
    points = line(1.0)
    span = points[-1][0]

    assert exhausted_at(points, span * (1.1 + POLICY.farthest_spans)) is None


def test_a_level_at_its_limit_has_run_out_now() -> None:
    points = line(1.0)

    assert exhausted_at(points, 10.0) == points[-1][0]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=40), st.floats(0.1, 50))
def test_what_is_left_after_a_renewal_has_no_further_drop(levels: list[float], drop: float) -> None:
    points = [(float(place), level) for place, level in enumerate(levels)]

    left = since_last_drop(points, drop)

    assert left == points[len(points) - len(left) :]
    assert all(before - after < drop for (_, before), (_, after) in pairwise(left))
