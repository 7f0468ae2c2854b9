"""No moment has seen more polls than even intervals make, and no interval passes its limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.poll_forecast import Stretch
from streaming.core.poll_rates import BANDS
from streaming.core.poll_saving import (
    Limits,
    SavingPolicy,
    after_poll,
    limits_of,
    next_interval,
)

POLICY = SavingPolicy()
stretch = st.builds(Stretch, st.floats(1, 100_000), st.just(0.0) | st.floats(1e-7, 10))
forecasts = st.lists(stretch, min_size=1, max_size=8) | st.builds(
    lambda seconds, rate: [Stretch(seconds, rate), Stretch(172_800.0, 1e-6)],
    st.floats(1, 10_000),
    st.floats(0.01, 10),
)
evens = st.floats(1, 20_000)


@st.composite
def some_limits(draw: st.DrawFn) -> Limits:
    even, trusted = draw(evens), draw(st.floats(1, 40_000))
    return limits_of(POLICY, even, trusted, draw(st.floats(0.5, 60)))


steps = st.lists(
    st.tuples(forecasts, st.just(0.0) | st.floats(0, 100_000)), min_size=1, max_size=60
)
"""The forecast before each poll, and how late it comes."""


@given(some_limits(), st.floats(0.01, 1))
def test_an_interval_that_all_credits_pay_for_is_never_cut(limits: Limits, part: float) -> None:
    even = limits.even_seconds
    found = limits_of(POLICY, even, 1.0, 1.0, part * even)
    assert found.ceiling_seconds >= part * even
    assert 0 < found.floor_seconds <= found.ceiling_seconds


@given(some_limits())
def test_limits_are_in_order_and_the_longest_interval_keeps_prices_trusted(limits: Limits) -> None:
    assert 0 < limits.floor_seconds <= limits.even_seconds <= limits.ceiling_seconds
    assert limits.ceiling_seconds <= POLICY.ceiling_factor * limits.even_seconds


@given(evens, st.floats(1, 40_000))
def test_prices_stay_trusted_between_polls_wherever_even_polls_keep_them_so(
    even: float, trusted: float
) -> None:
    limits = limits_of(POLICY, even, trusted, 1.0)
    assert limits.ceiling_seconds <= max(even, 0.8 * trusted)


@given(some_limits(), forecasts, st.floats(0, 10_000))
def test_no_interval_passes_its_limits_whatever_was_saved_or_forecast(
    limits: Limits, expected: list[Stretch], saved: float
) -> None:
    found = next_interval(POLICY, saved, limits, expected).seconds
    assert limits.floor_seconds * (1 - 1e-9) <= found <= limits.ceiling_seconds * (1 + 1e-9)


@given(some_limits(), steps)
def test_at_no_moment_more_polls_have_been_made_than_at_even_intervals(
    limits: Limits, polls: list[tuple[list[Stretch], float]]
) -> None:
    """The forecast changes at every poll, as the worst learner's would. Even polls are as late."""
    saved, in_time = 0.0, 0.0
    for made, (expected, late_seconds) in enumerate(polls, start=1):
        planned = next_interval(POLICY, saved, limits, expected).seconds
        in_time += planned
        saved = after_poll(POLICY, saved, limits, planned, planned + late_seconds)
        assert saved >= 0
        assert made + saved <= in_time / limits.even_seconds * (1 + 1e-9) + 1e-6


@given(some_limits(), forecasts, st.floats(0, 50), st.lists(st.floats(0, 5), max_size=20))
def test_polls_that_people_ask_for_cost_what_was_saved_at_most(
    limits: Limits, expected: list[Stretch], saved: float, early: list[float]
) -> None:
    for since in early:
        planned = next_interval(POLICY, saved, limits, expected).seconds
        after = after_poll(POLICY, saved, limits, planned, since)
        assert 0 <= after <= saved + planned / limits.even_seconds
        saved = after
    assert next_interval(POLICY, saved, limits, expected).seconds <= limits.ceiling_seconds


@given(some_limits(), st.lists(forecasts, min_size=1, max_size=40))
def test_where_nothing_is_saved_polls_are_at_least_as_even(
    limits: Limits, expected: list[list[Stretch]]
) -> None:
    for each in expected:
        assert next_interval(POLICY, 0.0, limits, each).seconds >= limits.even_seconds * (1 - 1e-9)


def test_saved_polls_are_made_in_the_busy_hour() -> None:
    limits = Limits(300.0, 75.0, 450.0)
    busy = [Stretch(3_600.0, 1.0), Stretch(169_200.0, 1e-4)]
    rich = next_interval(POLICY, 300.0, limits, busy)
    assert rich.seconds == 75.0
    assert next_interval(POLICY, 0.0, limits, busy).seconds == 300.0


def test_a_quiet_time_before_a_busy_one_saves_polls() -> None:
    limits = Limits(300.0, 75.0, 450.0)
    quiet = [Stretch(36_000.0, 1e-6), Stretch(7_200.0, 1.0), Stretch(129_600.0, 1e-4)]
    assert next_interval(POLICY, 0.0, limits, quiet).seconds > 300.0


@given(st.lists(st.floats(0, 1), min_size=BANDS, max_size=BANDS))
def test_changes_far_from_their_start_weigh_more(rates: list[float]) -> None:
    weighted = POLICY.weighted(rates)
    assert weighted[:5] == tuple(rates[:5])
    assert weighted[-1] == 4 * rates[-1]


@pytest.mark.parametrize("even_seconds", [1.0, 30.0, 900.0])
def test_without_events_the_longest_interval_holds(even_seconds: float) -> None:
    limits = limits_of(POLICY, even_seconds, 1e6, 1.0)
    found = next_interval(POLICY, 0.0, limits, [Stretch(172_800.0, 0.0)])
    assert (found.seconds, found.bound) == (limits.ceiling_seconds, "ceiling")
