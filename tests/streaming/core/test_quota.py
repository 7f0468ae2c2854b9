"""Credits last until they are renewed, and no poll is slowed down for nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import count, takewhile

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from streaming.core.quota import Allowance, affordable_interval, next_month

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
DAY_SECONDS = 86_400.0
UNBOUNDED = 365 * DAY_SECONDS
ROUNDING_SECONDS = 1e-3

ordinary = st.floats(1, 600)
slowest = st.floats(1, 7_200)
left_seconds = st.floats(0.01, 31 * DAY_SECONDS)
half_a_day = st.floats(0.01, DAY_SECONDS / 2)
credits_left = st.floats(0, 100_000)
costs = st.integers(1, 200)


def resetting(seconds: float, remaining: float | None, cost: float | None) -> Allowance:
    """An allowance that is renewed so many seconds after noon."""
    return Allowance(remaining, cost, NOON + timedelta(seconds=seconds))


def polls_before(seconds: float, interval: float) -> int:
    """How many polls come before then: the first after one interval, the last before the end."""
    return sum(1 for _ in takewhile(lambda n: n * interval < seconds - ROUNDING_SECONDS, count(1)))


@given(st.floats(5, 600), half_a_day, st.floats(0, 5_000), costs)
def test_at_this_interval_the_credits_last_until_they_are_renewed(
    interval: float, seconds: float, remaining: float, cost: int
) -> None:
    paced = affordable_interval(interval, UNBOUNDED, resetting(seconds, remaining, cost), NOON)
    assert polls_before(seconds, paced) * cost <= remaining


@given(st.floats(5, 600), half_a_day, st.floats(0, 5_000), costs, st.floats(0.9, 1.1))
def test_paced_anew_after_each_poll_and_jittered_the_credits_last_as_well(
    interval: float, seconds: float, remaining: float, cost: int, jitter: float
) -> None:
    now = NOON
    while True:
        renewed = Allowance(remaining, cost, NOON + timedelta(seconds=seconds))
        paced = affordable_interval(interval, UNBOUNDED, renewed, now)
        now += timedelta(seconds=paced * jitter)
        if (now - NOON).total_seconds() >= seconds - ROUNDING_SECONDS:
            break
        remaining -= cost
        assert remaining >= 0


@given(st.floats(5, 600), slowest, half_a_day, st.floats(0, 5_000), costs)
def test_the_credits_last_at_any_interval_that_is_not_the_slowest(
    interval: float, slowest_seconds: float, seconds: float, remaining: float, cost: int
) -> None:
    allowance = resetting(seconds, remaining, cost)
    paced = affordable_interval(interval, slowest_seconds, allowance, NOON)
    if paced < max(slowest_seconds, interval):
        assert polls_before(seconds, paced) * cost <= remaining


@given(ordinary, slowest, left_seconds, credits_left, costs)
def test_an_interval_is_neither_below_the_usual_nor_above_the_slowest(
    interval: float, slowest_seconds: float, seconds: float, remaining: float, cost: int
) -> None:
    paced = affordable_interval(
        interval, slowest_seconds, resetting(seconds, remaining, cost), NOON
    )
    assert interval <= paced <= max(slowest_seconds, interval)


@given(ordinary, slowest, left_seconds, credits_left, costs)
def test_no_shorter_interval_would_do(
    interval: float, slowest_seconds: float, seconds: float, remaining: float, cost: int
) -> None:
    paced = affordable_interval(
        interval, slowest_seconds, resetting(seconds, remaining, cost), NOON
    )
    assume(remaining >= cost and paced > interval)
    assert seconds / (paced * 0.999) * cost > remaining


@given(ordinary, slowest, left_seconds, credits_left, costs, st.floats(0, 1_000))
def test_more_credits_never_slow_a_provider_down(
    interval: float,
    slowest_seconds: float,
    seconds: float,
    remaining: float,
    cost: int,
    more: float,
) -> None:
    paced = [
        affordable_interval(interval, slowest_seconds, resetting(seconds, credits_, cost), NOON)
        for credits_ in (remaining, remaining + more)
    ]
    assert paced[1] <= paced[0]


@pytest.mark.parametrize(
    ("remaining", "interval"), [(101, 30.0), (100, 30.0), (99, 3000 / 99), (10, 300.0), (5, 600.0)]
)
def test_a_poll_that_costs_one_credit_is_paced_by_the_credits(
    remaining: float, interval: float
) -> None:
    assert affordable_interval(30.0, 900.0, resetting(3000, remaining, 1), NOON) == interval


def test_credits_for_one_more_poll_are_spent_when_they_are_renewed() -> None:
    assert affordable_interval(30.0, 900.0, resetting(600, 4, 4), NOON) == 600.0


@pytest.mark.parametrize("remaining", [0, 3, 3.9, -1])
def test_credits_for_less_than_one_poll_make_it_the_slowest(remaining: float) -> None:
    assert affordable_interval(30.0, 900.0, resetting(60, remaining, 4), NOON) == 900.0


@pytest.mark.parametrize(
    "allowance",
    [
        Allowance(),
        resetting(60, None, 4),
        resetting(60, 0, None),
        resetting(60, 0, 0),
        Allowance(0, 4, None),
        resetting(0, 0, 4),  # renewed just now, and not yet told how much there is
        resetting(-1, 0, 4),
    ],
)
def test_nothing_is_slowed_down_on_a_guess(allowance: Allowance) -> None:
    assert affordable_interval(30.0, 900.0, allowance, NOON) == 30.0


def test_an_interval_longer_than_the_slowest_stays() -> None:
    for remaining in (0, 10, 10_000):
        paced = affordable_interval(1_800.0, 900.0, resetting(DAY_SECONDS, remaining, 4), NOON)
        assert paced == 1_800.0


@pytest.mark.parametrize("month", range(1, 13))
@pytest.mark.parametrize("year", [2026, 2028])
def test_the_month_after_begins_where_this_one_ends(year: int, month: int) -> None:
    first = datetime(year, month, 1, tzinfo=UTC)
    renewed = next_month(first)
    assert (renewed.year, renewed.month) == ((year + 1, 1) if month == 12 else (year, month + 1))
    assert (renewed.day, renewed.time(), renewed.tzinfo) == (1, datetime.min.time(), UTC)
    assert next_month(renewed - timedelta(microseconds=1)) == renewed


moments = st.integers(0, 8_000 * 365 * 86_400).map(lambda n: datetime.fromtimestamp(n + 0.5, UTC))
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(moments, zones)
def test_a_month_is_one_of_utc_whatever_zone_the_moment_is_told_in(
    moment: datetime, zone: timezone
) -> None:
    renewed = next_month(moment.astimezone(zone))
    assert renewed == next_month(moment)
    assert renewed.utcoffset() == timedelta(0)
    assert timedelta(0) < renewed - moment <= timedelta(days=31)
    assert next_month(renewed) > renewed


@pytest.mark.parametrize(
    ("moment", "renewed"),
    [
        ("2026-12-31T23:30:00-02:00", "2027-02-01T00:00:00+00:00"),
        ("2027-01-01T01:00:00+02:00", "2027-01-01T00:00:00+00:00"),
        ("2026-12-31T23:59:59.999999+00:00", "2027-01-01T00:00:00+00:00"),
    ],
)
def test_around_new_year_the_month_is_the_one_in_utc(moment: str, renewed: str) -> None:
    assert next_month(datetime.fromisoformat(moment)).isoformat() == renewed
