"""Caps hold, nothing starves, and the last price is always valued, whatever comes in between."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streaming.core.adaptive_debounce import AdaptivePolicy, MarketPace, at_once, wait_for

POLICY = AdaptivePolicy()
CAP_MS = 500.0

policies = st.builds(
    AdaptivePolicy,
    recompute_worth=st.floats(0, 10),
    memory_ms=st.floats(1, 10_000),
    slot_ms=st.floats(1, 2_000),
    learning=st.floats(0, 1),
    usual_variance=st.floats(0, 1),
)
moves = st.none() | st.floats(0, 20)
steps = st.lists(
    st.tuples(st.floats(0, 3_000), moves, st.booleans()), min_size=1, max_size=40
)  # milliseconds since the change before, its move, whether it must not wait


def valued_at(
    changes: list[tuple[float, float | None, bool]], policy: AdaptivePolicy, cap_ms: float
) -> tuple[list[float], list[float]]:
    """The times of the changes, and of the valuations that a scheduler makes of the decisions.

    It keeps what it is asked for once (`is_new`), and never asks the memory what is due.
    """
    pace, now = MarketPace(), 1_000.0
    times, valued = list[float](), list[float]()
    for gap_ms, move, is_major in changes:
        now += gap_ms
        times.append(now)
        if is_major:
            pace = at_once(pace, policy, move, now)
            valued.append(now)
            continue
        wait = wait_for(pace, policy, move, now, cap_ms)
        pace = wait.pace
        if wait.is_new:
            valued.append(wait.due_ms)
    return times, valued


@given(steps, policies, st.floats(0, 5_000))
def test_each_change_is_valued_within_the_cap_whatever_came_before_and_comes_after(
    changes: list[tuple[float, float | None, bool]], policy: AdaptivePolicy, cap_ms: float
) -> None:
    """So the last price is always valued, and no market starves in an endless burst."""
    times, valued = valued_at(changes, policy, cap_ms)
    for at in times:
        assert any(at <= done <= at + cap_ms * (1 + 1e-12) for done in valued)


@given(steps, policies, st.floats(0, 5_000))
def test_waiting_never_costs_a_recompute_more_than_valuing_each_change_at_once(
    changes: list[tuple[float, float | None, bool]], policy: AdaptivePolicy, cap_ms: float
) -> None:
    times, valued = valued_at(changes, policy, cap_ms)
    assert len(valued) <= len(times)


@given(policies, moves, st.floats(0, 1e15), st.floats(0, 5_000))
@example(POLICY, None, 0.0, CAP_MS)
def test_the_first_change_of_a_market_goes_at_once(
    policy: AdaptivePolicy, move: float | None, now: float, cap_ms: float
) -> None:
    wait = wait_for(MarketPace(), policy, move, now, cap_ms)
    assert wait.due_ms == now
    assert wait.pace.due_ms is None


def burst(count: int, gap_ms: float, move: float) -> MarketPace:
    pace = MarketPace()
    for number in range(count):
        pace = at_once(pace, POLICY, move, number * gap_ms)
    return pace


def test_a_market_that_has_become_quiet_again_goes_at_once() -> None:
    busy = burst(20, 50.0, 0.01)
    assert wait_for(busy, POLICY, 0.01, busy.changed_ms + 50.0, CAP_MS).due_ms > busy.changed_ms
    later = busy.changed_ms + 10_000.0
    assert wait_for(busy, POLICY, 0.01, later, CAP_MS).due_ms == later


def waits_ms(gap_ms: float, move: float) -> float:
    """The wait of a change after a burst of forty small ones."""
    pace = burst(40, gap_ms, 0.01)
    now = pace.changed_ms + gap_ms
    return wait_for(pace, replace(POLICY, slot_ms=1.0), move, now, 10_000.0).due_ms - now


def test_a_denser_burst_waits_longer_and_a_larger_move_shorter() -> None:
    by_gap = [waits_ms(gap, 0.01) for gap in (400.0, 100.0, 50.0, 20.0)]
    by_move = [waits_ms(50.0, move) for move in (2.0, 0.05, 0.02, 0.005)]
    assert by_gap == sorted(by_gap)
    assert by_move == sorted(by_move)
    assert by_gap[0] < by_gap[-1]
    assert by_move[0] == 0.0 < by_move[-1]


def test_changes_that_wait_add_up_until_the_market_goes_at_once() -> None:
    policy = replace(POLICY, recompute_worth=0.005)
    pace = burst(40, 50.0, 0.02)
    now, dues = pace.changed_ms, list[float]()
    for _ in range(100):
        now += 50.0
        wait = wait_for(pace, policy, 0.02, now, 100_000.0)
        pace = replace(wait.pace, due_ms=wait.pace.due_ms and 1e9)  # as if it were never due
        dues.append(wait.due_ms - now)
    assert dues[0] > 0
    assert 0.0 in dues


def test_a_later_change_leaves_the_market_due_when_the_first_one_was() -> None:
    pace = burst(20, 50.0, 0.01)
    first = wait_for(pace, POLICY, 0.005, pace.changed_ms + 50.0, CAP_MS)
    second = wait_for(first.pace, POLICY, 0.005, pace.changed_ms + 60.0, CAP_MS)
    assert first.is_new
    assert not second.is_new
    assert second.due_ms == first.due_ms
    third = wait_for(second.pace, POLICY, 0.005, first.due_ms, CAP_MS)
    assert third.is_new, "what was due has been valued"


def test_an_unknown_move_counts_as_the_usual_one_of_its_market() -> None:
    calm, wild = burst(60, 50.0, 0.005), burst(60, 50.0, 2.0)
    now = calm.changed_ms + 50.0
    assert wait_for(calm, POLICY, None, now, CAP_MS).due_ms > now
    assert wait_for(wild, POLICY, None, now, CAP_MS).due_ms == now


@given(policies, st.floats(1, 5_000))
def test_a_crowded_change_waits_for_the_end_of_the_slot_if_that_is_within_the_cap(
    policy: AdaptivePolicy, cap_ms: float
) -> None:
    wait = wait_for(MarketPace(), policy, None, 0.0, cap_ms, is_crowded=True)
    assert wait.is_new
    assert wait.due_ms == (policy.slot_ms if policy.slot_ms <= cap_ms else 0.0)


def test_a_clock_that_runs_behind_another_is_no_error() -> None:
    pace = burst(5, 50.0, 0.01)
    wait = wait_for(pace, POLICY, 0.01, pace.changed_ms - 5.0, CAP_MS)
    assert wait.pace.changed_ms == pace.changed_ms
    assert wait.due_ms <= pace.changed_ms - 5.0 + CAP_MS


@given(steps, policies, st.floats(0, 5_000))
def test_whatever_waits_is_due_at_the_end_of_a_slot(
    changes: list[tuple[float, float | None, bool]], policy: AdaptivePolicy, cap_ms: float
) -> None:
    """So a market is due when its slot is flushed, not before and not after."""
    times, valued = valued_at(changes, policy, cap_ms)
    for done in set(valued) - set(times):
        assert done == round(done / policy.slot_ms) * policy.slot_ms


@given(steps, policies)
def test_a_memory_that_was_stored_decides_as_the_one_before(
    changes: list[tuple[float, float | None, bool]], policy: AdaptivePolicy
) -> None:
    pace = MarketPace()
    now = 0.0
    for gap_ms, move, _ in changes:
        now += gap_ms
        stored = MarketPace.of(msgspec.json.encode(pace.document()))
        assert stored == pace
        pace = wait_for(stored, policy, move, now, CAP_MS).pace


@pytest.mark.parametrize("stored", [None, b"", b"\xff", b"[1]", b'{"weight": "much"}'])
def test_a_memory_that_cannot_be_read_begins_again(stored: bytes | None) -> None:
    assert MarketPace.of(stored) == MarketPace()
