"""Credits are never overdrawn, nothing starves, and the spread of polls is the best there is."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from streaming.core.poll_allocation import Terms, densities, next_poll
from streaming.core.poll_forecast import Stretch

stretch = st.builds(Stretch, st.floats(1, 100_000), st.just(0.0) | st.floats(1e-7, 10))
forecasts = st.lists(stretch, min_size=1, max_size=12)


@st.composite
def terms(draw: st.DrawFn) -> Terms:
    floor = draw(st.floats(1, 600))
    return Terms(
        credits_left=draw(st.floats(0, 400)),
        poll_cost=draw(st.floats(0.5, 20)),
        renewal_seconds=draw(st.floats(10, 400_000)),
        floor_seconds=floor,
        ceiling_seconds=floor * draw(st.floats(1, 100)),
    )


@given(terms(), st.lists(forecasts, min_size=1, max_size=5))
def test_until_the_renewal_credits_last_and_no_interval_passes_its_limits(
    of: Terms, expected: list[list[Stretch]]
) -> None:
    """The forecast changes at every poll, as the worst learner's would."""
    longest = max(of.ceiling_seconds, of.floor_seconds, of.renewal_seconds / max(of.polls, 1))
    left, made = of, 0
    while left.renewal_seconds > 1e-6 * of.renewal_seconds:
        decision = next_poll(left, expected[made % len(expected)])
        assert decision.seconds >= of.floor_seconds
        if not left.polls:
            assert decision.seconds >= left.renewal_seconds, "without credits it waits for them"
            # All polls are used: the last came at the renewal but for rounding, or none was paid.
            assert made == 0 or left.renewal_seconds <= longest * (1 + 1e-6)
            break
        assert decision.seconds <= longest * (1 + 1e-6)
        if decision.seconds > left.renewal_seconds:
            break
        made += 1
        left = replace(
            left,
            credits_left=left.credits_left - left.poll_cost,
            renewal_seconds=left.renewal_seconds - decision.seconds,
        )
        assert left.credits_left >= -1e-9
    assert made * of.poll_cost <= of.credits_left + 1e-6


@pytest.mark.parametrize("ceiling_seconds", [2_100.0, 2_500.0, 8_000.0])
def test_a_forecast_that_is_always_busy_now_does_not_use_up_the_polls_of_later(
    ceiling_seconds: float,
) -> None:
    left = Terms(50, 1, 100_000.0, 30, ceiling_seconds)
    while left.polls:
        seconds = next_poll(left, [Stretch(600, 10.0), Stretch(6_000, 1e-7)]).seconds
        assert seconds <= ceiling_seconds * (1 + 1e-9)
        left = replace(
            left,
            credits_left=left.credits_left - 1,
            renewal_seconds=left.renewal_seconds - seconds,
        )
        assert left.renewal_seconds <= (left.polls + 1e-6) * ceiling_seconds


def delay(stretches: list[Stretch], density: list[float]) -> float:
    """Return the sum of the mean waits of all changes."""
    return sum(
        each.seconds * each.rate / (2 * polls)
        for each, polls in zip(stretches, density, strict=True)
    )


@given(forecasts, st.floats(1e-5, 0.01), st.floats(1, 1000), st.floats(0, 1))
def test_densities_keep_limits_and_spend_what_the_limits_allow(
    stretches: list[Stretch], least: float, ratio: float, share: float
) -> None:
    most = least * ratio
    seconds = sum(each.seconds for each in stretches)
    polls = seconds * (least + share * (most - least))
    found = densities(stretches, polls, least, most)
    assert all(least * (1 - 1e-9) <= each <= most * (1 + 1e-9) for each in found)
    spent = sum(each.seconds * of for each, of in zip(stretches, found, strict=True))
    could = sum(each.seconds * (most if each.rate > 0 else least) for each in stretches)
    assert spent == pytest.approx(min(polls, could), rel=1e-6)


@given(
    st.lists(st.builds(Stretch, st.floats(1, 1e5), st.floats(1e-5, 1)), min_size=2, max_size=8),
    st.floats(0.05, 0.95),
    st.data(),
)
def test_no_poll_moved_between_two_stretches_makes_the_mean_wait_less(
    stretches: list[Stretch], share: float, data: st.DataObject
) -> None:
    least, most = 1e-4, 0.05
    polls = sum(each.seconds for each in stretches) * (least + share * (most - least))
    found = densities(stretches, polls, least, most)
    giver, taker = data.draw(st.permutations(range(len(stretches))))[:2]
    room = min(
        (found[giver] - least) * stretches[giver].seconds,
        (most - found[taker]) * stretches[taker].seconds,
    )
    assume(room > 1e-6)
    moved, part = [*found], room * data.draw(st.floats(0.001, 1))
    moved[giver] -= part / stretches[giver].seconds
    moved[taker] += part / stretches[taker].seconds
    assert delay(stretches, moved) >= delay(stretches, found) * (1 - 1e-9)


def test_four_times_the_changes_are_polled_twice_as_often() -> None:
    day = Terms(288, 1, 86_400, 10, 7_200)
    busy, quiet = Stretch(43_200, 0.04), Stretch(43_200, 0.01)
    now = next_poll(day, [busy, quiet]).seconds
    assert next_poll(day, [quiet, busy]).seconds == pytest.approx(2 * now)


def test_a_poll_does_not_wait_through_the_hour_in_which_prices_move() -> None:
    day = Terms(100, 1, 86_400, 10, 86_400)
    quiet_first = [Stretch(600, 1e-9), Stretch(3_600, 1.0), Stretch(82_200, 1e-9)]
    assert 600 < next_poll(day, quiet_first).seconds < 700


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (Terms(3, 4, 600, 30, 900), "do not pay for a poll before they are renewed"),
        (Terms(1e6, 1, 86_400, 30, 900), "30 s is the shortest interval"),
        (Terms(24, 1, 86_400, 30, 900), "24 credits have to last 1 d"),
    ],
)
def test_the_reason_names_the_limit_that_decides(of: Terms, words: str) -> None:
    decision = next_poll(of, [Stretch(86_400, 0.001)])
    assert decision.reason.endswith(words)
    assert math.isfinite(decision.seconds)
