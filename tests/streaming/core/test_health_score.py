"""The score and its trend: the worst group counts, and no failure hides behind what is well."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.health import Status
from streaming.core.health_score import TREND_HOURS, score, trend

statuses = st.sampled_from(list(Status))
group_lists = st.lists(st.lists(statuses, min_size=1), min_size=1)


@given(group_lists, st.data())
def test_a_check_that_gets_worse_does_not_make_the_score_better(
    before: list[list[Status]], data: st.DataObject
) -> None:
    group = data.draw(st.integers(0, len(before) - 1))
    place = data.draw(st.integers(0, len(before[group]) - 1))
    was = before[group][place]
    after = [list(each) for each in before]
    after[group][place] = data.draw(statuses.filter(lambda each: each.severity >= was.severity))

    assert score(after) <= score(before)


@given(group_lists)
def test_a_score_is_below_fifty_wherever_a_check_fails(groups: list[list[Status]]) -> None:
    found = {status for group in groups for status in group}

    assert Status.FAIL not in found or score(groups) < 50
    assert (score(groups) == 100) == (found == {Status.PASS})
    assert found - {Status.PASS, Status.WARN} or score(groups) >= 50


@given(group_lists, st.integers(1, 20))
def test_groups_that_are_well_do_not_raise_the_score(groups: list[list[Status]], more: int) -> None:
    assert score([*groups, *[[Status.PASS] * 5] * more]) == score(groups)


def test_beat_and_all_workers_dead_leave_a_quarter() -> None:
    processes = [Status.FAIL, Status.FAIL, Status.PASS, Status.PASS]

    assert score([[Status.PASS] * 4, processes, [Status.PASS] * 5, [Status.PASS] * 9]) == 24


def test_a_system_of_which_nothing_is_known_has_no_score() -> None:
    assert score([]) == score([[]]) == score([[Status.UNKNOWN] * 3]) == 0


@given(
    st.floats(-1e3, 1e3),
    st.floats(0, 100),
    st.floats(-1, -TREND_HOURS),
    st.lists(st.floats(-1, 0)),
)
def test_the_trend_of_a_straight_line_is_its_slope(
    slope: float, start: float, since: float, hours: list[float]
) -> None:
    found = trend([(hour, start + slope * hour) for hour in (since, *hours, 0.0)])

    assert found == pytest.approx(slope, abs=1e-3)


def test_there_is_no_trend_in_a_moment_or_in_nine_minutes() -> None:
    assert trend([]) is trend([(0.0, 90.0)]) is trend([(0.0, 90.0), (0.0, 80.0)]) is None
    assert trend([(-0.15, 100.0), (-0.1, 60.0), (0.0, 20.0)]) is None
