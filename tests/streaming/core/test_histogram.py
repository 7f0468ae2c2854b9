from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.histogram import (
    BOUNDS_MS,
    BUCKETS,
    EMPTY,
    MAX_LATEST,
    above,
    counts_of,
    quantile_ms,
    with_latest,
)

values = st.lists(st.floats(0, 60_000))


@given(values)
def test_every_value_is_counted_once(all_of_them: list[float]) -> None:
    counts = counts_of(all_of_them)

    assert len(counts) == BUCKETS
    assert sum(counts) == len(all_of_them)


@given(values, st.sampled_from(BOUNDS_MS))
def test_what_is_above_a_bound_is_known_exactly(all_of_them: list[float], bound: float) -> None:
    assert above(counts_of(all_of_them), bound) == sum(value > bound for value in all_of_them)


@given(values, values)
def test_the_counts_of_two_rows_are_those_of_both_together(
    one: list[float], other: list[float]
) -> None:
    both = [a + b for a, b in zip(counts_of(one), counts_of(other), strict=True)]

    assert both == counts_of(one + other)


@given(values.filter(bool), st.floats(0.01, 1.0), st.floats(0.01, 1.0))
def test_a_higher_quantile_is_never_lower(
    all_of_them: list[float], one: float, other: float
) -> None:
    low, high = (quantile_ms(counts_of(all_of_them), part) for part in sorted((one, other)))

    assert low is not None
    assert high is not None
    assert low <= high + 1e-9


@given(st.floats(0, 30_000))
def test_a_quantile_is_within_the_bucket_of_what_it_is_of(value: float) -> None:
    found = quantile_ms(counts_of([value] * 3), 0.99)
    bounds = [0.0, *BOUNDS_MS]
    high = next(bound for bound in BOUNDS_MS if value <= bound)

    assert found is not None
    assert bounds[bounds.index(high) - 1] <= found <= high


def test_nothing_has_no_quantile_and_a_bound_that_is_none_is_refused() -> None:
    assert quantile_ms(counts_of([]), 0.5) is None
    with pytest.raises(ValueError, match="not in tuple"):
        above(counts_of([1.0]), 101)


@given(st.lists(st.floats(0, 60_000), max_size=MAX_LATEST - 1))
def test_the_latest_are_counted_as_all_are_while_they_are_few(all_of_them: list[float]) -> None:
    counts = EMPTY
    for value in all_of_them:
        counts = with_latest(counts, value)

    assert list(counts) == counts_of(all_of_them)


@given(st.floats(0, 60_000), st.integers(1, 3 * MAX_LATEST))
def test_the_latest_are_bounded_and_those_of_long_ago_are_forgotten(old: float, many: int) -> None:
    counts = EMPTY
    for _ in range(many):
        counts = with_latest(counts, old)
    assert sum(counts) < MAX_LATEST

    for _ in range(12 * MAX_LATEST):
        counts = with_latest(counts, 1e9)
    assert above(counts, BOUNDS_MS[-1]) == sum(counts)
