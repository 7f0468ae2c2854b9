"""Plans of polls: learnt from each poll once, explained, and judged by the changes that came."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.poll_memory import (
    MAX_FEEDS,
    MAX_STARTS,
    Expectation,
    ListedEvent,
    Memory,
    document_of,
    learn,
    memory_of,
)
from streaming.core.poll_plan import PollPlan, PollSeen, after
from streaming.core.poll_rates import band_of
from streaming.core.poll_saving import HOUR_SECONDS, Limits, SavingPolicy

POLICY = SavingPolicy()
LIMITS = Limits(30.0, 7.5, 45.0)
BEGIN = 1_764_400_000.0
NEW: tuple[PollPlan, Memory] = (PollPlan(), {})


def seen(at: float, *events: ListedEvent, **fields: Any) -> PollSeen:
    values: dict[str, Any] = {"answers": {"/odds": events}, "limits": LIMITS, **fields}
    return PollSeen(at=at, **values)


def played(
    polls: Sequence[PollSeen], plan: PollPlan | None = None, memory: Memory | None = None
) -> tuple[PollPlan, Memory]:
    plan, memory = plan or PollPlan(), memory or {}
    for poll in polls:
        plan, memory = after(plan, memory, poll, POLICY)
    return plan, memory


def test_a_poll_teaches_the_band_that_its_events_are_in() -> None:
    soon = ListedEvent(BEGIN + 2 * HOUR_SECONDS, has_moved=True)
    later = ListedEvent(BEGIN + 40 * HOUR_SECONDS, has_moved=False)
    _, memory = played([seen(BEGIN, soon, later), seen(BEGIN + 30, soon, later)])
    near, far = band_of(2 * HOUR_SECONDS - 15), band_of(40 * HOUR_SECONDS)
    known = memory["/odds"].seen
    assert sum(known[near].changed) == 1.0
    assert known[far].unchanged_seconds == 30.0
    assert sum(known[far].changed) == 0.0


def test_feeds_are_learnt_apart() -> None:
    start = BEGIN + HOUR_SECONDS / 2
    polls = [
        PollSeen(
            BEGIN + 30 * count,
            {
                "/busy": [ListedEvent(start, has_moved=True)],
                "/quiet": [ListedEvent(start, has_moved=False)],
            },
            LIMITS,
        )
        for count in range(60)
    ]
    _, memory = played(polls)
    now, both = polls[-1].at, Expectation(memory, POLICY)
    busy = Expectation({"/busy": memory["/busy"]}, POLICY).from_now(now, 30)[0].rate
    quiet = Expectation({"/quiet": memory["/quiet"]}, POLICY).from_now(now, 30)[0].rate
    assert busy > 5 * quiet
    assert both.from_now(now, 30)[0].rate == pytest.approx(busy + quiet)


def test_an_interruption_teaches_nothing_and_keeps_what_was_learnt() -> None:
    event = ListedEvent(BEGIN + HOUR_SECONDS, has_moved=False)
    plan, memory = played([seen(BEGIN, event), seen(BEGIN + 30, event)])
    moved = replace(event, has_moved=True)
    later, learnt = played([seen(BEGIN + 30 + 9_000, moved)], plan, memory)
    assert learnt["/odds"].seen == memory["/odds"].seen
    assert later.waits == plan.waits
    assert later.saved == plan.saved


@given(st.integers(1, 200), st.integers(1, 3))
def test_a_memory_stays_small(feeds: int, polls: int) -> None:
    memory: Memory = {}
    for count in range(polls):
        answers = {
            f"/{count}/{feed}": [
                ListedEvent(BEGIN + start, has_moved=False) for start in range(0, 700, 7 * feeds)
            ]
            for feed in range(feeds)
        }
        memory = learn(memory, answers, BEGIN + 30 * count, 100.0)
    assert len(memory) <= MAX_FEEDS
    assert all(len(of.starts) <= MAX_STARTS for of in memory.values())


@given(
    st.lists(
        st.tuples(
            st.floats(1, 60),
            st.lists(st.tuples(st.integers(-9_000, 400_000), st.booleans()), max_size=5),
        ),
        min_size=1,
        max_size=15,
    )
)
def test_a_plan_and_its_memory_are_stored_whole(
    polls: list[tuple[float, list[tuple[int, bool]]]],
) -> None:
    now, made = BEGIN, []
    for seconds, events in polls:
        now += seconds
        listed = [ListedEvent(BEGIN + start, has_moved=moved) for start, moved in events]
        made.append(seen(now, *listed))
    plan, memory = played(made)
    stored = msgspec.json.decode(msgspec.json.encode([plan.document(), document_of(memory)]))
    assert PollPlan.of(stored[0]) == plan
    again = memory_of(stored[1])
    assert again.keys() == memory.keys()
    for feed, of in memory.items():
        assert again[feed].starts == of.starts
        for ours, theirs in zip(again[feed].seen, of.seen, strict=True):
            assert ours.unchanged_seconds == pytest.approx(theirs.unchanged_seconds, abs=0.01)
            assert ours.changed == pytest.approx(theirs.changed, abs=1e-5)


def test_another_form_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        memory_of({"/odds": "what"})
    with pytest.raises(msgspec.ValidationError):
        PollPlan.of({"version": "two"})


def test_the_reason_names_the_latest_polls_the_next_start_and_the_limit() -> None:
    event = ListedEvent(BEGIN + 12 * 60, has_moved=False)
    plan, memory = played([seen(BEGIN, event)])
    assert plan.reason.startswith(
        "no price changed in the last poll and the next event starts in 12 min"
    )
    polls = [
        seen(BEGIN + 30 * count, replace(event, has_moved=count in {2, 5, 6}))
        for count in range(1, 13)
    ]
    plan, _ = played(polls, plan, memory)
    assert plan.reason == (
        "prices changed in 2 of the last 10 polls and the next event starts in 6 min"
        "; no poll is saved for an earlier one"
    )
    assert plan.words == f"would wait 30 s, as at even intervals, because {plan.reason}"


@pytest.mark.parametrize(
    ("starts", "words"),
    [
        ([], "no event is listed"),
        ([-60], "1 event is in play"),
        ([-60, -70, 90], "2 events are in play"),
    ],
)
def test_the_reason_says_what_is_in_play(starts: list[int], words: str) -> None:
    events = [ListedEvent(BEGIN + start, has_moved=False) for start in starts]
    plan, _ = played([seen(BEGIN, *events)])
    assert words in plan.reason


def live(seconds: float, seed: int, *, is_acting: bool) -> tuple[PollPlan, int, float, float]:
    """Play an event that begins after 40 h; return the plan, polls, and true waits near the start.

    Polls are even in a shadow, and where the plan acts as it says.
    """
    chance = random.Random(seed)
    start = BEGIN + 40 * HOUR_SECONDS
    changes = []
    now = BEGIN
    while now < BEGIN + seconds:
        now += chance.expovariate(1 / 7_200 if start - now > 3 * HOUR_SECONDS else 1 / 240)
        changes.append(now)
    plan, memory = NEW
    limits = Limits(300.0, 75.0, 450.0)
    at, last, polls, near = BEGIN, BEGIN, 0, []
    while at < BEGIN + seconds:
        came = [each for each in changes if last < each <= at]
        near += [at - each for each in came if start - each < 3 * HOUR_SECONDS]
        event = ListedEvent(start, has_moved=bool(came))
        plan, memory = after(
            plan, memory, seen(at, event, limits=limits, is_acting=is_acting), POLICY
        )
        polls += 1
        last, at = at, at + (plan.seconds if is_acting else 300.0)
    even = [300 - (each - BEGIN) % 300 for each in changes if 0 < start - each < 3 * HOUR_SECONDS]
    return plan, polls, sum(near) / len(near), sum(even) / len(even)


def test_where_plans_act_late_changes_are_seen_sooner_with_no_more_polls() -> None:
    seconds = 40 * HOUR_SECONDS
    plan, polls, adaptive, even = live(seconds, 5, is_acting=True)
    assert polls <= seconds / 300 + 1
    assert adaptive < 0.8 * even
    near = plan.estimates[0]
    assert near.adaptive_seconds == pytest.approx(adaptive, rel=0.25)
    assert near.even_seconds == pytest.approx(150, rel=0.25)


def test_a_shadow_estimates_what_acting_would_bring() -> None:
    seconds = 40 * HOUR_SECONDS
    shadow, polls, _, _ = live(seconds, 5, is_acting=False)
    assert polls == seconds / 300
    _, _, adaptive, _ = live(seconds, 5, is_acting=True)
    near = shadow.estimates[0]
    assert near.even_seconds == pytest.approx(150, rel=0.01)
    assert near.adaptive_seconds == pytest.approx(adaptive, rel=0.35)
    assert shadow.ratio is not None
    assert shadow.ratio < 1


def test_what_a_shadow_saved_is_not_spent_once_plans_act() -> None:
    event = ListedEvent(BEGIN + 100 * HOUR_SECONDS, has_moved=False)
    plan, memory = played([seen(BEGIN + 30 * count, event) for count in range(200)])
    assert plan.saved > 1
    acting = seen(plan.at + 30, event, is_acting=True)
    assert played([acting], plan, memory)[0].saved == 0


def test_what_was_saved_ends_with_the_credits_period() -> None:
    event = ListedEvent(BEGIN + 100 * HOUR_SECONDS, has_moved=False)
    terms: dict[str, Any] = {"is_acting": True, "cost": 2.0, "renews_at": BEGIN + 3_000}
    plan, memory = NEW
    at = BEGIN
    while at < BEGIN + 3_000:
        plan, memory = after(plan, memory, seen(at, event, **terms), POLICY)
        at = plan.next_at
    assert plan.saved > 1
    renewed = seen(at, event, **{**terms, "renews_at": BEGIN + 9_000})
    assert after(plan, memory, renewed, POLICY)[0].saved == 0


def test_a_shorter_even_interval_does_not_multiply_what_the_last_one_saved() -> None:
    event = ListedEvent(BEGIN + 100 * HOUR_SECONDS, has_moved=False)
    slow = Limits(900.0, 225.0, 1_350.0)
    plan, memory = played([seen(BEGIN, event, limits=slow, is_acting=True)])
    assert plan.seconds > 1_000
    after_it = seen(plan.next_at, event, limits=LIMITS, is_acting=True)
    assert played([after_it], plan, memory)[0].saved == pytest.approx(plan.seconds / 900 - 1)


def test_dearer_polls_make_the_credits_saved_worth_fewer() -> None:
    event = ListedEvent(BEGIN + 100 * HOUR_SECONDS, has_moved=False)
    plan, memory = NEW
    at = BEGIN
    for _ in range(40):
        plan, memory = after(plan, memory, seen(at, event, is_acting=True, cost=1.0), POLICY)
        at = plan.next_at
    saved, even = plan.saved, plan.seconds / LIMITS.even_seconds
    dearer, _ = after(plan, memory, seen(at, event, is_acting=True, cost=4.0), POLICY)
    assert dearer.saved == pytest.approx(saved / 4 + even - 1)


@given(
    st.lists(
        st.tuples(st.just(0.0) | st.floats(0, 4_000), st.lists(st.booleans(), max_size=3)),
        min_size=2,
        max_size=40,
    )
)
def test_acting_plans_never_make_more_polls_than_even_intervals_and_starve_nobody(
    polls: list[tuple[float, list[bool]]],
) -> None:
    """Any answers, any lateness: late polls, outages and what is learnt from them."""
    plan, memory = NEW
    at = BEGIN
    for made, (late, moved) in enumerate(polls):
        at += late
        events = [
            ListedEvent(BEGIN + 600.0 * (number + 1), has_moved=each)
            for number, each in enumerate(moved)
        ]
        plan, memory = after(plan, memory, seen(at, *events, is_acting=True), POLICY)
        assert made <= (at - BEGIN) / LIMITS.even_seconds + 1e-6
        assert LIMITS.floor_seconds <= plan.seconds <= LIMITS.ceiling_seconds
        at = plan.next_at
