"""Rates are learnt from changed-or-not without the bias of counting, and bands lend each other."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.poll_forecast import IN_PLAY_SECONDS, forecast
from streaming.core.poll_rates import BANDS, UNSEEN, USUAL_RATES, Seen, band_of, rate, rates

polls = st.lists(
    st.tuples(st.floats(1, 90_000), st.integers(0, 20), st.integers(0, 20)), max_size=30
)
some_rates = st.lists(st.floats(0, 1), min_size=BANDS, max_size=BANDS)


def seen_of(of: list[tuple[float, int, int]]) -> Seen:
    seen = Seen()
    for interval, changed, unchanged in of:
        seen = seen.with_poll(interval, changed, unchanged)
    return seen


def polled(true_rate: float, intervals: list[float], seed: int) -> Seen:
    """Return polls of one event that changes as a Poisson process."""
    chance = random.Random(seed)
    seen = Seen()
    for interval in intervals:
        changed = int(chance.random() < -math.expm1(-true_rate * interval))
        seen = seen.with_poll(interval, changed, 1 - changed)
    return seen


@pytest.mark.parametrize("changes_per_interval", [0.05, 0.5, 2.0])
def test_the_rate_is_found_again_from_irregular_intervals(changes_per_interval: float) -> None:
    chance = random.Random(7)
    intervals = [chance.choice((20.0, 60.0, 100.0)) for _ in range(20_000)]
    true_rate = changes_per_interval / 60
    found = rate(polled(true_rate, intervals, 11), 0.01, 1.0)
    assert found == pytest.approx(true_rate, rel=0.08)
    seen = polled(true_rate, intervals, 11)
    counted = sum(seen.changed) / (seen.unchanged_seconds + sum(seen.changed_seconds))
    if changes_per_interval >= 0.5:
        assert counted < 0.8 * true_rate, "counting sees several changes as one"


@given(polls, st.floats(1e-6, 1), st.floats(0.1, 20))
def test_a_rate_is_positive_finite_and_a_root(
    of: list[tuple[float, int, int]], prior_rate: float, prior_changes: float
) -> None:
    seen = seen_of(of)
    found = rate(seen, prior_rate, prior_changes)
    assert 0 < found < math.inf
    time = prior_changes / prior_rate + seen.unchanged_seconds
    share = sum(
        count / math.expm1(found * seconds / count) * found * seconds / count
        for count, seconds in zip(seen.changed, seen.changed_seconds, strict=True)
        if count and found * seconds / count < 700
    )
    assert prior_changes + share == pytest.approx(found * time, rel=1e-6)


@given(polls, st.floats(1, 90_000), st.integers(1, 10))
def test_a_change_raises_the_rate_and_its_absence_lowers_it(
    of: list[tuple[float, int, int]], interval: float, events: int
) -> None:
    before = rate(seen_of(of), 0.01, 1.0)
    quiet = rate(seen_of([*of, (interval, 0, events)]), 0.01, 1.0)
    busy = rate(seen_of([*of, (interval, events, 0)]), 0.01, 1.0)
    assert quiet <= before * (1 + 1e-6)
    # Buckets hold a mean of intervals, which moves with each of them: by less than a tenth.
    assert busy >= before * 0.9


@given(polls)
def test_forgotten_polls_leave_the_assumption(of: list[tuple[float, int, int]]) -> None:
    assert rate(seen_of(of).kept(0.0), 0.01, 1.0) == pytest.approx(0.01)


def test_a_band_without_polls_follows_the_level_of_the_others() -> None:
    busy = seen_of([(600.0, 150, 100)])
    found = rates((*UNSEEN[:-1], busy))
    assert found[0] > 5 * USUAL_RATES[0]
    assert found[0] / found[1] == pytest.approx(USUAL_RATES[0] / USUAL_RATES[1])


@given(st.floats(-1e6, 1e6))
def test_bands_are_all_times(seconds: float) -> None:
    assert 0 <= band_of(seconds) < BANDS


@given(st.lists(st.floats(-20_000, 900_000), max_size=20), some_rates, st.floats(60, 700_000))
def test_a_forecast_lasts_to_its_horizon_and_starts_with_the_rates_of_now(
    starts: list[float], of: list[float], horizon: float
) -> None:
    stretches = forecast(starts, of, horizon)
    assert sum(stretch.seconds for stretch in stretches) == pytest.approx(horizon)
    assert all(stretch.seconds > 0 and stretch.rate >= 0 for stretch in stretches)
    if all(abs(start) > 1e-6 for start in starts):
        now = sum(of[band_of(start)] for start in starts)
        assert stretches[0].rate == pytest.approx(now, abs=1e-9)


def test_nothing_is_expected_after_the_last_event_ended() -> None:
    assert forecast([0.0], [1.0] * BANDS, 86_400.0)[-1].rate == 0
    assert forecast([0.0], [1.0] * BANDS, 86_400.0)[0].seconds == IN_PLAY_SECONDS
