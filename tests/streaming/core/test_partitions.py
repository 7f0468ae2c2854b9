"""Plans of partitions: no time without one, nothing dropped that is still to be kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.partitions import (
    AHEAD_DAYS,
    Plan,
    Span,
    Width,
    beyond,
    days_ahead,
    midnight,
    plan,
    width,
)

DAY = timedelta(days=1)
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)

moments = st.integers(0, 20 * 366 * 86_400).map(
    lambda seconds: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
retentions = st.one_of(
    st.integers(1, 36_500), st.sampled_from([7, 14, 15, 124, 125, 365, 1_098, 1_099])
)


def day(month: int, number: int, year: int = 2026) -> datetime:
    return datetime(year, month, number, tzinfo=UTC)


def applied(spans: set[Span], todo: Plan) -> set[Span]:
    return (spans - {*todo.drop}) | {*todo.make}


@st.composite
def histories(draw: st.DrawFn) -> tuple[set[Span], datetime, list[tuple[datetime, int]]]:
    """What there is at first, and when the task runs afterwards, with which retention."""
    began = draw(moments)
    before = Span(None, midnight(began) + 8 * DAY)
    runs, at = [], began
    for _ in range(draw(st.integers(1, 12))):
        # Once an hour, or after somebody has found out that it does not run.
        at += draw(st.one_of(st.just(timedelta(hours=1)), st.timedeltas(DAY, 400 * DAY)))
        runs.append((at, draw(retentions)))
    return {before}, began, runs


@given(histories())
def test_each_time_to_come_has_one_partition_and_a_second_run_finds_nothing_to_do(
    history: tuple[set[Span], datetime, list[tuple[datetime, int]]],
) -> None:
    spans, _, runs = history
    for now, days in runs:
        todo = plan(spans, days, now)
        spans = applied(spans, todo)

        ordered = sorted(spans, key=lambda span: span.until)
        for one, other in pairwise(ordered):
            assert other.since is not None
            assert one.until <= other.since
        assert days_ahead(spans, now) >= AHEAD_DAYS

        again = plan(spans, days, now)
        assert (again.make, again.drop) == ((), ())
        assert again.trim == todo.trim


@given(histories())
def test_what_is_dropped_is_past_its_retention_and_what_stays_is_not(
    history: tuple[set[Span], datetime, list[tuple[datetime, int]]],
) -> None:
    spans, _, runs = history
    for now, days in runs:
        todo = plan(spans, days, now)
        kept_since = now - days * DAY
        assert all(span.until <= kept_since for span in todo.drop)
        assert {*todo.drop} <= spans
        spans = applied(spans, todo)
        assert all(span.until > kept_since for span in spans)
        # Nothing is kept for longer than one partition of this retention, but for what is trimmed.
        rest = spans - {*todo.trim}
        assert all(
            span.since is not None and kept_since - span.since < width(days) * DAY for span in rest
        )


@given(moments, retentions)
def test_new_partitions_begin_and_end_at_midnight_and_are_as_wide_as_the_retention_says(
    now: datetime, days: int
) -> None:
    made = plan([], days, now).make
    for span in made:
        assert span.since is not None
        assert span.since == midnight(span.since)
        assert span.until == midnight(span.until)
        assert span.days <= width(days)
    assert made[0].since is not None
    assert made[0].since <= now < made[0].until


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (7, [(day(11, 29) + n * DAY, day(11, 30) + n * DAY) for n in range(AHEAD_DAYS + 1)]),
        (30, [(day(11, 23), day(11, 30)), (day(11, 30), day(12, 7))]),
        (365, [(day(11, 1), day(12, 1)), (day(12, 1), day(1, 1, 2027))]),
        (3_650, [(day(1, 1), day(1, 1, 2027))]),
    ],
)
def test_partitions_are_days_weeks_from_mondays_months_and_years(
    days: int, expected: list[tuple[datetime, datetime]]
) -> None:
    assert [(span.since, span.until) for span in plan([], days, NOON).make] == expected


def test_another_width_begins_where_what_is_there_ends() -> None:
    there = [Span(None, day(11, 10)), Span(day(11, 10), day(11, 20)), Span(day(12, 5), day(12, 6))]
    made = plan(there, 365, NOON).make
    assert made == (
        Span(day(11, 20), day(12, 1)),
        Span(day(12, 1), day(12, 5)),
        Span(day(12, 6), day(1, 1, 2027)),
    )


def test_a_shorter_retention_deletes_rows_out_of_what_is_too_wide_to_be_dropped_soon() -> None:
    month, week = Span(day(11, 1), day(11, 23)), Span(day(11, 23), day(11, 30))
    before = Span(None, day(11, 1))
    assert plan([before, month, week], 365, NOON).trim == (before,)
    assert plan([before, month, week], 20, NOON).trim == (month,)
    assert plan([before, month, week], 20, NOON).drop == (before,)


def test_a_gap_ends_the_days_ahead() -> None:
    there = [Span(None, day(11, 30)), Span(day(12, 1), day(12, 9))]
    assert days_ahead(there, NOON) == 0.5
    assert days_ahead(there, day(11, 30)) == 0.0
    assert days_ahead([], NOON) == 0.0


def test_a_span_goes_on_after_the_rows_that_stay_where_they_are() -> None:
    december = Span(day(12, 1), day(1, 1, 2027))
    assert beyond(december, day(11, 3)) == december
    assert beyond(december, day(12, 20) + timedelta(hours=3)) == Span(day(12, 21), december.until)
    assert beyond(december, day(12, 31)) is None


def test_a_year_of_history_is_in_some_thirteen_partitions() -> None:
    assert [width(days) for days in (7, 30, 365, 3_650)] == [
        Width.DAY,
        Width.WEEK,
        Width.MONTH,
        Width.YEAR,
    ]
