"""Verdicts: each target on both sides of its limit."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.benchmark.compare import (
    TARGETS,
    compare,
    differences,
    failed_calls_per_minute,
    judge_fair_prices,
    recomputes_per_change,
)
from streaming.benchmark.figures import FIGURES
from tests.support.baselines import a_baseline

CALLS, RECOMPUTES, LATENCY, LETTERS, UNVALUED = (target.name for target in TARGETS)
Fields = dict[str, Any]


def verdict(name: str, before: list[Fields], after: list[Fields]) -> bool | None:
    verdicts = compare(*([a_baseline(**fields) for fields in side] for side in (before, after)))
    return {each.name: each.is_met for each in verdicts}[name]


@pytest.mark.parametrize(
    ("name", "before", "after", "is_met"),
    [
        (CALLS, {"failed_calls": 100}, {"failed_calls": 10}, True),
        (CALLS, {"failed_calls": 100}, {"failed_calls": 11}, False),
        (CALLS, {"failed_calls": 0}, {"failed_calls": 0}, None),
        (RECOMPUTES, {"asked": 100}, {"asked": 50}, True),
        (RECOMPUTES, {"asked": 100}, {"asked": 51}, False),
        (RECOMPUTES, {"asked": 100}, {"asked": 100, "changes": 200}, True),
        (RECOMPUTES, {"asked": 100}, {"asked": 0, "changes": 0}, None),
        (LATENCY, {}, {"recompute_ms": 99.9}, True),
        (LATENCY, {}, {"recompute_ms": 100.0}, False),
        (LETTERS, {}, {"dead_letters": 9}, True),
        (LETTERS, {}, {"dead_letters": 10}, False),
        (LETTERS, {}, {"work": 0}, None),
        (UNVALUED, {}, {}, True),
        (UNVALUED, {}, {"overdue_markets": 1}, False),
    ],
)
def test_a_target_is_met_on_one_side_of_its_limit_and_missed_on_the_other(
    name: str, before: Fields, after: Fields, is_met: bool | None
) -> None:
    assert verdict(name, [before], [after]) is is_met


def test_a_latency_is_judged_by_the_median_of_the_rounds() -> None:
    rounds = [{"recompute_ms": ms} for ms in (50.0, 500.0, 60.0)]
    assert verdict(LATENCY, [{}], rounds)


def test_a_price_left_unvalued_in_any_round_is_a_miss() -> None:
    rounds = [{"overdue_markets": left} for left in (0, 1, 0)]
    assert verdict(UNVALUED, [{}], rounds) is False


def test_calls_are_counted_by_the_minute_so_that_windows_may_differ_in_length() -> None:
    short = a_baseline(failed_calls=10)
    cycles = msgspec.structs.replace(short.cycles, polling_seconds=120.0)
    long = a_baseline(failed_calls=20, cycles=cycles)
    assert failed_calls_per_minute(short) == failed_calls_per_minute(long) == 10.0


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_reduction_never_turns_with_the_number_of_rounds(
    changes: int, before: int, after: int
) -> None:
    one = [{"changes": changes, "asked": before}], [{"changes": changes, "asked": after}]
    assert verdict(RECOMPUTES, *one) is verdict(RECOMPUTES, one[0] * 2, one[1] * 2)
    assert verdict(RECOMPUTES, *one) is (2 * after <= before)


def test_recomputes_are_counted_per_market_so_that_large_batches_save_nothing() -> None:
    assert recomputes_per_change(a_baseline(changes=200, asked=50)) == 0.25


PRICES = st.dictionaries(st.sampled_from("abcdef"), st.floats(0.01, 0.99))


@given(PRICES, PRICES)
def test_differences_are_the_same_from_either_side_and_none_to_itself(
    one: dict[str, float], other: dict[str, float]
) -> None:
    assert differences(one, one) == 0
    assert differences(one, other) == differences(other, one) <= 6


def test_one_run_that_ends_in_another_fair_price_is_a_miss() -> None:
    same, other = {"home": 0.5}, {"home": 0.51}
    assert judge_fair_prices([same, same], [same, same]).is_met
    assert judge_fair_prices([same, same], [same, other]).is_met is False


def test_every_figure_can_be_read_off_a_window_in_which_nothing_happened() -> None:
    empty = a_baseline(changes=0, asked=0, work=0)
    assert {type(figure.measure(empty)) for figure in FIGURES} <= {int, float, type(None)}
