"""What is learnt of a bookmaker's silences, and the bounds of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.core.staleness import (
    BUCKETS,
    GROWTH,
    MAX_COUNT,
    StalenessPolicy,
    lead_seconds,
    limit_seconds,
    with_gap,
)

WIDEST_SECONDS = GROWTH**BUCKETS
"""The last bucket's upper bound: longer gaps are counted in it as well."""

ROUNDING = 1e-8
UNCAPPED = StalenessPolicy(cap_seconds=86_400.0)

gaps_seconds = st.floats(0, 2 * WIDEST_SECONDS)
no_gaps: list[int] = []
histograms = st.just(no_gaps) | st.lists(st.integers(0, 60), min_size=BUCKETS, max_size=BUCKETS)
quantiles = st.sampled_from([0.5, 0.9, 0.99, 0.999, 1.0]) | st.floats(0.5, 1.0)


def learnt(seconds: Iterable[float], gaps: Sequence[int] = ()) -> list[int]:
    counts = list(gaps)
    for gap in seconds:
        counts = with_gap(counts, gap)
    return counts


@given(histograms, st.floats(0.1, 86_400), quantiles, st.floats(1, 86_400))
def test_a_limit_is_neither_below_the_floor_nor_above_the_cap(
    gaps: list[int], floor: float, quantile: float, cap: float
) -> None:
    limit = limit_seconds(gaps, floor, StalenessPolicy(quantile, cap))
    assert floor <= limit <= max(floor, cap)


@pytest.mark.parametrize("gaps", [[], [0] * BUCKETS])
def test_the_floor_is_the_limit_while_nothing_is_known(gaps: list[int]) -> None:
    assert limit_seconds(gaps, 1.0, StalenessPolicy()) == 1.0


def test_a_floor_above_the_cap_holds() -> None:
    assert limit_seconds(learnt([3_000.0]), 1_200.0, StalenessPolicy()) == 1_200.0


@settings(deadline=None)
@given(st.lists(st.floats(1, WIDEST_SECONDS), min_size=1, max_size=MAX_COUNT), quantiles)
def test_a_limit_is_the_quantile_of_the_gaps_to_within_one_buckets_growth(
    seconds: list[float], quantile: float
) -> None:
    limit = limit_seconds(learnt(seconds), 0.5, StalenessPolicy(quantile, 86_400.0))
    exact = float(np.quantile(seconds, quantile, method="inverted_cdf"))
    assert exact * (1 - ROUNDING) <= limit <= exact * GROWTH * (1 + ROUNDING)


@given(st.floats(1, WIDEST_SECONDS))
def test_a_single_gap_is_covered_by_less_than_a_buckets_growth(seconds: float) -> None:
    limit = limit_seconds(with_gap([], seconds), 0.5, UNCAPPED)
    assert seconds * (1 - ROUNDING) <= limit <= seconds * GROWTH * (1 + ROUNDING)


@pytest.mark.parametrize("bucket", range(BUCKETS))
def test_a_gap_as_long_as_its_bucket_is_not_counted_in_the_next(bucket: int) -> None:
    bound = GROWTH ** (bucket + 1)
    assert with_gap([], bound).index(1) == bucket
    assert with_gap([], bound * 1.001).index(1) == min(bucket + 1, BUCKETS - 1)


@given(st.floats(max_value=1, allow_nan=False, allow_infinity=False))
def test_a_gap_of_a_second_or_less_is_counted_in_the_first_bucket(seconds: float) -> None:
    assert with_gap([], seconds) == [1] + [0] * (BUCKETS - 1)


@given(st.floats(WIDEST_SECONDS, 1e9))
def test_a_gap_beyond_the_last_bucket_is_counted_in_it(seconds: float) -> None:
    assert with_gap([], seconds) == [0] * (BUCKETS - 1) + [1]


@given(st.floats(1, 60), st.floats(300, 800), st.integers(0, 999))
def test_one_long_silence_in_a_thousand_teaches_nothing(
    usual: float, longest: float, position: int
) -> None:
    seconds = [usual] * 999
    seconds.insert(position, longest)
    limit = limit_seconds(learnt(seconds), 1.0, StalenessPolicy())
    assert limit <= usual * GROWTH * (1 + ROUNDING)


@given(st.floats(1, 60), st.floats(300, 800), st.integers(1, 10))
def test_long_silences_are_learnt_once_they_are_more_than_one_in_a_hundred(
    usual: float, longest: float, hundreds: int
) -> None:
    ordinary = [usual] * (99 * hundreds)
    one_percent = learnt([longest] * hundreds + ordinary)
    assert limit_seconds(one_percent, 1.0, StalenessPolicy()) < longest
    two_percent = learnt([longest] * 2 * hundreds + ordinary[hundreds:])
    assert limit_seconds(two_percent, 1.0, StalenessPolicy()) >= longest * (1 - ROUNDING)


@given(histograms.filter(lambda gaps: 0 < sum(gaps) < MAX_COUNT), st.floats(1, 800))
def test_longer_silences_never_shorten_a_limit(gaps: list[int], floor: float) -> None:
    before = limit_seconds(gaps, floor, UNCAPPED)
    assert limit_seconds(with_gap(gaps, 2 * WIDEST_SECONDS), floor, UNCAPPED) >= before


@settings(deadline=None)
@given(st.floats(1, 60), st.floats(120, 800), st.booleans())
def test_what_is_learnt_follows_a_bookmaker_that_has_changed(
    short: float, long: float, gets_slower: bool
) -> None:
    before, now = (short, long) if gets_slower else (long, short)
    gaps = learnt([now] * 4 * MAX_COUNT, learnt([before] * MAX_COUNT))
    # Eight halvings, one every 500 gaps, leave 3 of the thousand: less than the 1 % that may be
    # longer than the limit.
    limit = limit_seconds(gaps, 1.0, StalenessPolicy())
    assert now * (1 - ROUNDING) <= limit <= now * GROWTH * (1 + ROUNDING)


@given(histograms.filter(any), gaps_seconds)
def test_one_more_gap_loses_no_more_than_a_halving(gaps: list[int], seconds: float) -> None:
    is_full = sum(gaps) >= MAX_COUNT
    kept = [count // 2 for count in gaps] if is_full else gaps
    counts = with_gap(gaps, seconds)
    more = [count - before for count, before in zip(counts, kept, strict=True)]
    assert sorted(more) == [0] * (BUCKETS - 1) + [1]


@settings(deadline=None)
@given(st.lists(gaps_seconds, min_size=1, max_size=5), st.integers(1, 3 * MAX_COUNT))
def test_counts_never_exceed_their_maximum_nor_fall_below_half_of_it(
    cycle: list[float], times: int
) -> None:
    gaps = learnt(cycle[number % len(cycle)] for number in range(times))
    least = MAX_COUNT // 2 - len(cycle) if times >= MAX_COUNT else times
    assert least <= sum(gaps) <= MAX_COUNT
    assert len(gaps) == BUCKETS


@given(histograms, gaps_seconds)
def test_counting_changes_nothing_that_was_given(gaps: list[int], seconds: float) -> None:
    given_gaps = tuple(gaps)
    with_gap(gaps, seconds)
    assert tuple(gaps) == given_gaps


def test_the_lead_is_the_least_one_while_nothing_is_known_and_where_looks_are_frequent() -> None:
    assert lead_seconds([], StalenessPolicy()) == 30.0
    assert lead_seconds(learnt([5.0]), StalenessPolicy()) == 30.0


def test_a_provider_that_was_slow_for_a_night_takes_over_as_usual_soon_after() -> None:
    night = learnt([600.0] * 48)
    assert lead_seconds(night, StalenessPolicy()) >= 900.0
    assert lead_seconds(learnt([5.0] * 48, night), StalenessPolicy()) == 30.0
