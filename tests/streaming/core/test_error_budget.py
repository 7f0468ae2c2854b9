"""Burn rates: those of the definition, over windows that the samples cover."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.error_budget import LIMITS, WINDOWS, Misses, burning, rate_over, rates
from streaming.core.health import samples_needed

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
OBJECTIVE = 0.99

Step = tuple[int, int, int]
steps = st.lists(
    st.tuples(st.integers(1, 600), st.integers(0, 50), st.integers(0, 500)), min_size=1, max_size=60
)
"""Minutes until the next sample, and what missed and what did not meanwhile."""


def series(found: list[Step]) -> list[Misses]:
    minutes = accumulate((step[0] for step in found), initial=0)
    bad = accumulate((step[1] for step in found), initial=0)
    total = accumulate((step[1] + step[2] for step in found), initial=0)
    return [
        Misses(BEGIN + timedelta(minutes=at), each, all_)
        for at, each, all_ in zip(minutes, bad, total, strict=True)
    ]


@given(steps, st.sampled_from(WINDOWS))
def test_a_rate_is_the_share_of_misses_by_that_which_is_allowed(
    found: list[Step], window: timedelta
) -> None:
    samples = series(found)
    ends = samples[-1].at - window
    earlier = [place for place, each in enumerate(samples) if each.at <= ends]
    rate = rate_over(samples, window, OBJECTIVE)

    if not earlier:
        assert rate is None
        return
    within = found[earlier[-1] :]
    bad, total = sum(step[1] for step in within), sum(step[1] + step[2] for step in within)
    if bad and total < samples_needed(1 - OBJECTIVE):
        assert rate is None
    else:
        assert rate == pytest.approx(bad / max(total, 1) / (1 - OBJECTIVE))


@given(steps)
def test_more_misses_never_burn_more_slowly(found: list[Step]) -> None:
    late, later = series(found), series([(m, bad + 1, good) for m, bad, good in found])
    for window in WINDOWS:
        before, after = rate_over(late, window, OBJECTIVE), rate_over(later, window, OBJECTIVE)
        if before is not None and after is not None:
            assert after >= before


@given(st.dictionaries(st.sampled_from(WINDOWS), st.floats(0, 100)))
def test_a_limit_burns_only_if_both_of_its_windows_reach_it(found: dict[timedelta, float]) -> None:
    limit = burning(found)

    reached = [
        each
        for each in LIMITS
        if found.get(each.long, -1.0) >= each.rate and found.get(each.short, math.inf) >= each.rate
    ]
    assert limit == (reached[0] if reached else None)


def test_a_fault_at_night_burns_though_five_minutes_have_too_few_samples() -> None:
    night = series([*[(1, 0, 4)] * 400, *[(1, 4, 0)] * 30])

    assert rate_over(night, timedelta(minutes=5), OBJECTIVE) is None
    assert burning(rates(night, OBJECTIVE)) == LIMITS[0]


def test_windows_that_the_samples_do_not_cover_are_left_out() -> None:
    samples = [Misses(BEGIN, 0, 0), Misses(BEGIN + timedelta(minutes=40), 1, 1000)]

    assert set(rates(samples, OBJECTIVE)) == {timedelta(minutes=5), timedelta(minutes=30)}
    assert rates([], OBJECTIVE) == {}


def test_a_sustained_outage_reaches_the_first_limit_and_a_hiccup_none() -> None:
    day = [(1, 0, 100)] * 360
    outage = rates(series([*day, *[(1, 100, 0)] * 20]), OBJECTIVE)
    hiccup = rates(series([*day, *[(1, 100, 0)] * 2]), OBJECTIVE)

    assert burning(outage) == LIMITS[0]
    assert burning(hiccup) is None
