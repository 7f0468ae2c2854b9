"""Credits are never overdrawn, last as they do at even intervals, and keep prices trusted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.poll_credits import Pace, limits_by, most_saved
from streaming.core.poll_forecast import Stretch
from streaming.core.poll_saving import SavingPolicy, after_poll, next_interval
from streaming.core.quota import Allowance

POLICY = SavingPolicy()
BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
BUSY = [Stretch(3_600.0, 1.0), Stretch(169_200.0, 1e-6)]
stretch = st.builds(Stretch, st.floats(1, 100_000), st.just(0.0) | st.floats(1e-7, 10))
forecasts = st.lists(stretch, min_size=1, max_size=8) | st.builds(
    lambda seconds, rate: [Stretch(seconds, rate), Stretch(172_800.0, 1e-6)],
    st.floats(1, 10_000),
    st.floats(0.01, 10),
)


def pace_of(usual: float, slowest: float, cap: float = 900.0) -> Pace:
    return Pace(usual, slowest, 1.0, stale_after_seconds=4 * usual, trust_cap_seconds=cap)


class Account:
    """A provider's credits, as the planner spends them.

    Attributes:
        now: the time of the last poll.
        left: credits left.
        saved: polls saved.
        made: polls made.
    """

    def __init__(self, pace: Pace, left: float, cost: float, days: float) -> None:
        self.pace, self.cost = pace, cost
        self.renewal = BEGIN + timedelta(days=days)
        self.now, self.left, self.saved, self.made = BEGIN, left, 0.0, 0

    @property
    def seconds(self) -> float:
        return (self.now - BEGIN).total_seconds()

    def poll(self, expected: list[Stretch], late_seconds: float = 0.0) -> bool:
        """Make the next poll; return False if it would come after the renewal."""
        allowance = Allowance(self.left, self.cost, self.renewal)
        self.saved = min(self.saved, most_saved(self.pace, allowance, self.now))
        assert self.saved * self.cost <= self.left + 1e-6, "what is saved is still there"
        limits = limits_by(POLICY, self.pace, allowance, self.saved, self.now)
        planned = next_interval(POLICY, self.saved, limits, expected).seconds
        paced = self.pace.interval(allowance, self.now)
        assert planned <= max(0.8 * self.pace.trusted_seconds(paced), paced) * (1 + 1e-9)
        since = planned + late_seconds
        self.now += timedelta(seconds=since)
        if self.now > self.renewal:
            return False
        self.left -= self.cost
        self.made += 1
        self.saved = after_poll(POLICY, self.saved, limits, planned, since)
        return True


@given(
    budget=st.integers(0, 3_000),
    cost=st.integers(1, 12),
    usual=st.floats(5, 3_600),
    slower=st.floats(1, 100) | st.just(1e5),
    expected=st.lists(forecasts, min_size=1, max_size=6),
    late=st.lists(st.just(0.0) | st.floats(0, 5_000), min_size=1, max_size=6),
)
def test_credits_are_never_overdrawn_and_last_as_they_do_at_even_intervals(
    budget: int,
    cost: int,
    usual: float,
    slower: float,
    expected: list[list[Stretch]],
    late: list[float],
) -> None:
    of = Account(pace_of(usual, slower * usual), budget, cost, days=1)
    while of.left >= cost and of.made < 400:
        if not of.poll(expected[of.made % len(expected)], late[of.made % len(late)]):
            break
        assert of.left >= 0
        share = max(of.seconds / 86_400 * budget / cost, of.seconds / (slower * usual))
        most = min(of.seconds / usual, share)
        assert of.made <= most * (1 + 1e-6) + 1, "no more than even intervals would have spent"


@given(
    budget=st.integers(20, 600),
    slowest=st.floats(60, 7_200),
    saving=st.integers(0, 200),
    taken=st.floats(0, 1),
    expected=st.lists(forecasts, min_size=1, max_size=6),
)
def test_after_others_have_spent_credits_the_rest_lasts_as_it_does_at_even_intervals(
    budget: int, slowest: float, saving: int, taken: float, expected: list[list[Stretch]]
) -> None:
    of = Account(pace_of(30.0, slowest), budget, 1, days=2)
    while of.made < saving and of.left >= 1:
        if not of.poll([Stretch(172_800.0, 0.0)]):
            return
    of.left *= 1 - taken
    since = of.seconds
    lasts = min(max(of.left - of.saved, 0.0) * slowest, 2 * 86_400 - since)
    while of.left >= 1:
        if not of.poll(expected[of.made % len(expected)]):
            return
    assert of.seconds - since >= lasts * (1 - 1e-6) - 2 * slowest


def test_what_others_have_spent_is_no_longer_saved() -> None:
    """Of 300 credits 280 were saved: with 20 left, even polls would be the slowest, for ever."""
    of = Account(pace_of(30.0, 900.0), 300, 1, days=2)
    of.saved = 280.0
    while of.left >= 1:
        in_busy_hours = of.seconds < 28 * 3_600
        if not of.poll(BUSY if in_busy_hours else [Stretch(172_800.0, 1e-6)]):
            break

    assert (of.renewal - of.now).total_seconds() <= 900 * 1.5


@pytest.mark.parametrize(
    ("paced", "unsaved_share", "longest"),
    [
        pytest.param(200.0, 2 / 3, 240.0, id="trusted for 300 s"),
        pytest.param(700.0, 0.8, 720.0, id="trusted for the cap"),
        pytest.param(850.0, 0.9, 850.0, id="what all credits pay for is longer than that"),
        pytest.param(20.0, 0.05, 96.0, id="not slowed down at all"),
    ],
)
def test_the_longest_interval_is_four_fifths_of_the_silence_that_is_trusted(
    paced: float, unsaved_share: float, longest: float
) -> None:
    """Ingest knows the interval that all credits pay for, those saved among them."""
    polls = 86_400 / paced
    allowance = Allowance(polls, 1, BEGIN + timedelta(days=1))
    saved = polls * (1 - unsaved_share)

    limits = limits_by(POLICY, pace_of(30.0, 3_600.0), allowance, saved, BEGIN)

    assert limits.even_seconds == pytest.approx(paced / unsaved_share)
    assert limits.ceiling_seconds == pytest.approx(longest)


@given(st.floats(0, 1e5), st.floats(0.1, 20), st.floats(1, 1e7))
def test_what_can_have_been_saved_leaves_the_slowest_interval(
    left: float, cost: float, seconds: float
) -> None:
    pace = pace_of(30.0, 900.0)
    most = most_saved(pace, Allowance(left, cost, BEGIN + timedelta(seconds=seconds)), BEGIN)
    assert 0 <= most <= left / cost
    assert most == 0 or (left / cost - most) * 900 >= seconds * (1 - 1e-6) - 1e-3


@pytest.mark.parametrize(
    "change",
    [
        lambda of: Allowance(None, of.poll_cost, of.resets_at),
        lambda of: Allowance(of.remaining, None, of.resets_at),
        lambda of: Allowance(of.remaining, of.poll_cost, None),
        lambda of: Allowance(of.remaining, of.poll_cost, BEGIN),
    ],
)
def test_without_a_known_allowance_nothing_limits_what_was_saved(
    change: Callable[[Allowance], Allowance],
) -> None:
    known = Allowance(1, 1, BEGIN + timedelta(days=1))
    assert most_saved(pace_of(30.0, 900.0), change(known), BEGIN) == float("inf")
