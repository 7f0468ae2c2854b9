from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streaming.chaos.faults import FAULTS
from streaming.chaos.plan import MAX_FAULTS, STRIKE_SECONDS, plan

KINDS = [fault.kind for fault in FAULTS.values()]
SEEDS = st.integers(min_value=0, max_value=2**32)


@given(SEEDS)
def test_a_seed_has_one_plan(seed: int) -> None:
    assert plan(seed, KINDS) == plan(seed, KINDS)


@given(SEEDS)
def test_no_two_faults_of_a_plan_strike_one_subject(seed: int) -> None:
    subjects = [FAULTS[strike.fault].kind.subject for strike in plan(seed, KINDS)]
    assert 1 <= len(subjects) <= MAX_FAULTS
    assert len(set(subjects)) == len(subjects)


@given(SEEDS)
def test_faults_strike_in_order_and_within_their_times(seed: int) -> None:
    strikes = plan(seed, KINDS)
    assert strikes == sorted(strikes, key=lambda strike: strike.at_seconds)
    for strike in strikes:
        shortest, longest = FAULTS[strike.fault].kind.seconds
        assert 0 <= strike.at_seconds <= STRIKE_SECONDS
        assert shortest <= strike.lasts_seconds <= longest
        assert strike.ends_at_seconds == strike.at_seconds + strike.lasts_seconds


@given(SEEDS)
def test_as_many_seeds_in_a_row_as_there_are_kinds_have_each_of_them(first: int) -> None:
    struck = {
        strike.fault for seed in range(first, first + len(KINDS)) for strike in plan(seed, KINDS)
    }
    assert struck == FAULTS.keys()


def test_some_seeds_have_one_fault_and_some_have_as_many_as_there_may_be() -> None:
    counts = {len(plan(seed, KINDS)) for seed in range(100)}
    assert counts == set(range(1, MAX_FAULTS + 1))
