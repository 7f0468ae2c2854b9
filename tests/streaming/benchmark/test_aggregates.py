"""From numbers to statistics."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.benchmark.aggregates import (
    Usage,
    distribution,
    memory_growth,
    process_figures,
)
from streaming.benchmark.compare import format_value
from streaming.benchmark.results.measures import BY_KEY

values = st.lists(st.floats(0, 1e9), min_size=1, max_size=300)


@given(values)
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(sample: list[float]) -> None:
    spread = distribution(sample)
    for percent, value in ((50, spread.p50), (95, spread.p95), (99, spread.p99)):
        assert value in sample
        assert 100 * sum(each <= value for each in sample) >= percent * len(sample)
        assert 100 * sum(each < value for each in sample) < percent * len(sample)


@given(values)
def test_figures_are_in_order_and_within_the_values(sample: list[float]) -> None:
    spread = distribution(sample)
    assert spread.count == len(sample)
    assert spread.max == max(sample)
    assert spread.mean is not None
    assert min(sample) <= spread.mean * (1 + 1e-12)
    assert spread.mean <= max(sample) * (1 + 1e-12)
    assert spread.p50 is not None
    assert spread.p95 is not None
    assert spread.p99 is not None
    assert spread.p50 <= spread.p95 <= spread.p99 <= spread.max


@given(values, st.randoms(use_true_random=False))
def test_the_order_of_the_values_says_nothing(sample: list[float], chance: object) -> None:
    shuffled = list(sample)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]  # a Random, which hypothesis does not type
    assert distribution(shuffled) == distribution(sample)


def test_of_no_values_nothing_is_claimed() -> None:
    assert msgspec.to_builtins(distribution([])) == {
        "count": 0, "mean": None, "p50": None, "p95": None, "p99": None, "max": None,
    }  # fmt: skip


usage = st.tuples(st.integers(1, 10**9), st.floats(0, 1_000)).map(
    lambda pair: Usage(1.0, pair[0], pair[0] // 2, pair[1])
)


@given(st.lists(st.dictionaries(st.integers(1, 6), usage), min_size=1, max_size=8))
def test_memory_is_of_all_processes_at_one_moment(samples: list[dict[int, Usage]]) -> None:
    figures = process_figures(samples)
    sums = [sum(each.memory_bytes for each in sample.values()) for sample in samples]
    assert figures.memory_bytes_max == max(sums)
    assert figures.memory_bytes_mean == pytest.approx(sum(sums) / len(sums))


def test_a_process_that_ended_keeps_what_it_computed_and_its_number_may_be_another() -> None:
    first = {1: Usage(1.0, 10, 10, 5.0), 2: Usage(1.0, 10, 10, 1.0)}
    then = {1: Usage(1.0, 10, 10, 7.0)}
    reused = {1: Usage(1.0, 10, 10, 8.0), 2: Usage(9.0, 10, 10, 0.5)}
    assert process_figures([first, then, reused]).cpu_seconds == 3.5


def test_growth_is_of_the_process_that_grew_most_among_those_that_last() -> None:
    def sample(steady: int, growing: int, started_at: float = 1.0) -> dict[int, Usage]:
        of = {1: (1.0, steady), 2: (1.0, growing), 3: (started_at, 10 * growing)}
        small = {4: Usage(1.0, 10_000, growing**2, 0.0)}
        return small | {pid: Usage(at, 10**9, size * 10**6, 0.0) for pid, (at, size) in of.items()}

    earlier = [sample(100, 180), sample(105, 100)]
    later = [sample(101, 110), sample(400, 190), sample(105, 115, started_at=2.0)]

    assert memory_growth(earlier, later) == pytest.approx(0.1)
    assert memory_growth(later[2:], [{}]) == 0.0


def test_growth_is_written_as_the_percentage_it_is() -> None:
    before, after = ({1: Usage(1.0, 0, size * 10**6, 0.0)} for size in (100, 102))
    growth = memory_growth([before], [after])
    assert format_value(growth, BY_KEY["memory_growth"].unit) == "2 %"
