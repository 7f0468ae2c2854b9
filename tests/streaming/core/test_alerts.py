"""Alerts as decisions: rules, quiet hours, digests, and what of health and letters is news."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.alerts import (
    CHECK_SECONDS,
    MIN_STABLE_SECONDS,
    CheckState,
    EdgeFacts,
    QuietHours,
    Rules,
    Sent,
    Timing,
    changed_checks,
    is_cause_due,
    is_digest_due,
    messages_of,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONDON = ZoneInfo("Europe/London")

SPORTS, BOOKS = ("soccer_epl", "tennis_atp"), ("pinnacle", "elm", "oak")
evs = st.floats(0, 0.5)
some_rules = st.builds(
    Rules,
    sports=st.frozensets(st.sampled_from(SPORTS)),
    bookmakers=st.frozensets(st.sampled_from(BOOKS)),
    min_ev=st.none() | evs,
    max_ev=st.none() | evs,
    min_books=st.integers(0, 9),
    start_hours=st.none() | st.floats(0, 100),
)
some_edges = st.builds(
    EdgeFacts,
    sport=st.sampled_from(SPORTS),
    bookmaker=st.sampled_from(BOOKS),
    ev=evs,
    books=st.integers(0, 9),
    starts_at=st.floats(-10, 100).map(lambda hours: NOON + timedelta(hours=hours)),
)
moments = st.integers(0, 365 * 86_400).map(lambda seconds: NOON + timedelta(seconds=seconds))


@given(some_edges)
def test_rules_that_name_nothing_accept_every_edge(edge: EdgeFacts) -> None:
    assert Rules().accept(edge, NOON)


@given(some_rules, some_edges)
def test_an_edge_is_accepted_if_and_only_if_every_single_rule_accepts_it(
    rules: Rules, edge: EdgeFacts
) -> None:
    single = [
        Rules(sports=rules.sports),
        Rules(bookmakers=rules.bookmakers),
        Rules(min_ev=rules.min_ev),
        Rules(max_ev=rules.max_ev),
        Rules(min_books=rules.min_books),
        Rules(start_hours=rules.start_hours),
    ]
    assert rules.accept(edge, NOON) == all(each.accept(edge, NOON) for each in single)


@given(some_rules, some_edges, st.floats(0, 0.1))
def test_a_least_ev_refuses_what_is_below_it_and_nothing_else(
    rules: Rules, edge: EdgeFacts, least: float
) -> None:
    without = replace(rules, min_ev=None)
    accepted = replace(rules, min_ev=least).accept(edge, NOON)
    assert accepted == (without.accept(edge, NOON) and edge.ev >= least)


@pytest.mark.parametrize(
    ("timing", "before", "in_play"),
    [(Timing.PRE_MATCH, True, False), (Timing.IN_PLAY, False, True), (Timing.BOTH, True, True)],
)
def test_a_timing_accepts_edges_before_the_start_in_play_or_both(
    timing: Timing, before: bool, in_play: bool
) -> None:
    assert timing.accepts(is_in_play=False) == before
    assert timing.accepts(is_in_play=True) == in_play


@given(st.times(), st.times(), moments)
def test_quiet_hours_and_those_from_their_end_to_their_start_share_no_moment(
    start: time, end: time, moment: datetime
) -> None:
    hours, others = QuietHours(start, end, LONDON), QuietHours(end, start, LONDON)
    if start == end:
        assert not hours.cover(moment)
    else:
        assert hours.cover(moment) != others.cover(moment)


@pytest.mark.parametrize(
    ("utc", "is_quiet"),
    [
        # Clocks go forward at 01:00 UTC on 29 March: 23:00 is 23:00 UTC before, 22:00 UTC after.
        (datetime(2026, 3, 28, 22, 59, tzinfo=UTC), False),
        (datetime(2026, 3, 28, 23, 0, tzinfo=UTC), True),
        (datetime(2026, 3, 29, 1, 30, tzinfo=UTC), True),
        (datetime(2026, 3, 29, 5, 59, tzinfo=UTC), True),
        (datetime(2026, 3, 29, 6, 0, tzinfo=UTC), False),
        (datetime(2026, 3, 29, 22, 0, tzinfo=UTC), True),
        # They go back at 01:00 UTC on 25 October: 07:00 is 06:00 UTC before, 07:00 UTC after.
        (datetime(2026, 10, 24, 6, 0, tzinfo=UTC), False),
        (datetime(2026, 10, 25, 6, 59, tzinfo=UTC), True),
        (datetime(2026, 10, 25, 7, 0, tzinfo=UTC), False),
    ],
)
def test_quiet_hours_last_over_midnight_and_follow_the_clocks(
    utc: datetime, is_quiet: bool
) -> None:
    assert QuietHours(time(23), time(7), LONDON).cover(utc) == is_quiet


@given(moments, st.integers(1, 1_440), st.lists(st.integers(1, 7_200), max_size=40))
def test_no_interval_has_two_digests(start: datetime, minutes: int, steps: list[int]) -> None:
    now, sent = start, [start]
    for seconds in steps:
        now += timedelta(seconds=seconds)
        if is_digest_due(now, sent[-1], minutes):
            sent.append(now)
    intervals = [moment.timestamp() // (minutes * 60) for moment in sent]
    assert len(intervals) == len(set(intervals))
    assert is_digest_due(now + timedelta(minutes=minutes), sent[-1], minutes)


def test_a_check_that_flaps_is_sent_once_in_its_time_and_its_last_status_always() -> None:
    sent: dict[str, Sent] = {}
    messages = []
    since, status = NOON, "pass"
    for second in range(0, 3_600, 5):
        now = NOON + timedelta(seconds=second)
        # It changes every 40 s for half an hour, and then fails for good.
        wanted = ("fail", "pass")[second // 40 % 2] if second < 1_800 else "fail"
        if wanted != status:
            since, status = now, wanted
        for check in changed_checks([CheckState("redis", status, since)], sent, now, now):
            sent[check.name] = Sent(check.status, check.since, now)
            messages.append((now, check.status))
    assert messages[-1][1] == "fail"
    assert len(messages) <= 1_800 / CHECK_SECONDS + 1
    times = [at for at, _ in messages]
    assert all(b - a >= timedelta(seconds=CHECK_SECONDS) for a, b in pairwise(times))


@pytest.mark.parametrize("status", ["pass", "unknown"])
def test_a_check_that_was_never_bad_or_is_not_known_is_no_news(status: str) -> None:
    later = NOON + timedelta(hours=1)
    assert changed_checks([CheckState("redis", status, NOON)], {}, later, later) == []


def test_a_failure_that_ends_before_it_has_settled_is_never_sent() -> None:
    soon = NOON + timedelta(seconds=MIN_STABLE_SECONDS - 1)
    assert changed_checks([CheckState("redis", "fail", NOON)], {}, soon, soon) == []


def test_a_check_is_not_settled_by_time_in_which_nobody_looked() -> None:
    failing = CheckState("redis", "fail", NOON)
    hour = timedelta(hours=1)
    assert changed_checks([failing], {}, NOON + timedelta(seconds=29), NOON + hour) == []
    assert changed_checks([failing], {}, NOON + timedelta(seconds=30), NOON + hour) == [failing]


def test_a_cause_is_sent_first_and_then_hourly_while_it_fails_again() -> None:
    sent = Sent("3", happened_at=NOON, at=NOON)
    later = NOON + timedelta(minutes=1)
    assert is_cause_due(NOON, None, NOON)
    assert not is_cause_due(later, sent, NOON + timedelta(minutes=59))
    assert is_cause_due(later, sent, NOON + timedelta(minutes=60))
    assert not is_cause_due(NOON, sent, NOON + timedelta(hours=5))


@given(st.lists(st.integers(), max_size=20), st.integers(1, 9), st.booleans())
def test_messages_hold_every_item_once_in_order(
    items: list[int], most: int, is_joined: bool
) -> None:
    messages = messages_of(items, most, is_joined=is_joined)
    assert [item for message in messages for item in message] == items
    assert all(messages)
    assert len(messages) <= (1 if is_joined else most)
