"""When a failing subscriber is left alone, for how long, and who tries it again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streaming.core.suppression import (
    MAX_ERROR_CHARS,
    Decision,
    Outcome,
    SubscriberState,
    SuppressionPolicy,
    decide,
    is_logged,
    record,
    suppression_seconds,
)

POLICY = SuppressionPolicy()
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FINE = Outcome(duration_ms=5.0)
BROKEN = Outcome(duration_ms=5.0, error="timeout")


def after(*outcomes: Outcome, state: SubscriberState | None = None) -> SubscriberState:
    state = state or SubscriberState()
    for outcome in outcomes:
        state = record(state, POLICY, outcome, NOON)
    return state


def test_two_failures_in_a_row_suppress_nobody() -> None:
    assert decide(after(BROKEN, BROKEN, FINE, BROKEN, BROKEN), NOON) is Decision.DELIVER


def test_the_third_failure_in_a_row_suppresses_for_a_time_that_grows_with_the_failure_rate() -> (
    None
):
    well = after(*[FINE] * 47, BROKEN, BROKEN, BROKEN)
    assert well.suppressed_until == NOON + timedelta(seconds=1 + 3 / 50)
    never_well = after(BROKEN, BROKEN, BROKEN)
    assert never_well.suppressed_until == NOON + timedelta(seconds=2)


def test_each_failing_probe_doubles_the_wait_up_to_a_minute() -> None:
    state = after(BROKEN, BROKEN, BROKEN)
    waits = []
    for _ in range(8):
        assert state.suppressed_until is not None
        at = state.suppressed_until
        state = record(state, POLICY, BROKEN, at)
        assert state.suppressed_until is not None
        waits.append((state.suppressed_until - at).total_seconds())
    assert waits == [4, 8, 16, 32, 60, 60, 60, 60]


def test_a_failure_that_began_before_the_suppression_does_not_prolong_it() -> None:
    suppressed = after(BROKEN, BROKEN, BROKEN)
    late = record(suppressed, POLICY, BROKEN, NOON + timedelta(seconds=1))
    assert (late.suppressed_until, late.suppressions) == (suppressed.suppressed_until, 1)
    assert late.consecutive_failures == 4


def test_one_success_ends_a_suppression_and_what_it_had_grown_to() -> None:
    state = after(*[BROKEN] * 3, FINE)
    assert decide(state, NOON) is Decision.DELIVER
    again = after(*[BROKEN] * 3, state=state)
    assert again.suppressions == 1


def test_a_probe_that_never_ends_gives_way_to_another_once_its_lease_is_over() -> None:
    suppressed = after(*[BROKEN] * 3)
    due = suppressed.suppressed_until
    assert due is not None
    probed = replace(suppressed, probe_until=due + timedelta(seconds=10))
    assert decide(probed, due) is Decision.WAIT
    assert decide(probed, due + timedelta(seconds=10)) is Decision.PROBE


def test_an_error_is_kept_in_a_bounded_length() -> None:
    assert after(Outcome(1.0, "x" * 1_000)).last_error == "x" * MAX_ERROR_CHARS


def test_the_first_failures_are_logged_and_then_ever_fewer() -> None:
    assert not is_logged(0)
    assert sum(is_logged(n) for n in range(1, 10_001)) == 3 + 100


@given(
    in_a_row=st.integers(1, 10**9),
    rates=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted),
    first=st.floats(0.01, 3_600),
    maximum=st.floats(3_600, 86_400),
)
def test_a_wait_is_bounded_and_never_shorter_for_a_higher_rate_or_a_later_turn(
    in_a_row: int, rates: list[float], first: float, maximum: float
) -> None:
    policy = SuppressionPolicy(first_seconds=first, max_seconds=maximum)
    wait = suppression_seconds(policy, in_a_row, rates[0])
    assert first <= wait <= maximum
    assert wait <= suppression_seconds(policy, in_a_row, rates[1])
    assert wait <= suppression_seconds(policy, in_a_row + 1, rates[0])


class Subscribed(RuleBasedStateMachine):
    """A subscriber whose deliveries begin, overlap and end in any order, as time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.state = SubscriberState()
        self.now = NOON
        self.under_way = 0
        self.failed_in_a_row = 0
        self.ended = 0

    @rule(seconds=st.floats(0, 100))
    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def begin(self) -> None:
        decision = decide(self.state, self.now)
        if decision is Decision.PROBE:
            self.state = replace(self.state, probe_until=self.now + timedelta(seconds=10))
            # Claimed: whoever asks next, at the same moment, does not get it.
            assert decide(self.state, self.now) is Decision.WAIT
        if decision in {Decision.DELIVER, Decision.PROBE}:
            self.under_way += 1

    @precondition(lambda self: self.under_way)
    @rule(outcome=st.sampled_from([FINE, BROKEN]))
    def end(self, outcome: Outcome) -> None:
        before = self.state
        self.under_way -= 1
        self.ended += 1
        self.failed_in_a_row = self.failed_in_a_row + 1 if outcome.error else 0
        self.state = record(before, POLICY, outcome, self.now)
        if not outcome.error:
            assert decide(self.state, self.now) is Decision.DELIVER
        elif before.suppressed_until is not None:
            assert self.state.suppressed_until is not None
            assert self.state.suppressed_until >= before.suppressed_until

    @invariant()
    def counts_are_those_of_what_ended(self) -> None:
        assert self.state.deliveries == self.ended
        assert self.state.consecutive_failures == self.failed_in_a_row
        assert self.state.failures >= self.failed_in_a_row
        assert len(self.state.recent) == min(self.ended, POLICY.window)
        assert 0 <= self.state.failure_rate <= 1

    @invariant()
    def it_is_suppressed_exactly_after_three_failures_in_a_row(self) -> None:
        is_suppressed = self.state.suppressed_until is not None
        assert is_suppressed == (self.failed_in_a_row >= POLICY.after_failures)
        assert is_suppressed == (self.state.suppressions > 0)

    @invariant()
    def no_suppression_lasts_longer_than_the_longest(self) -> None:
        if self.state.suppressed_until is not None:
            longest = timedelta(seconds=POLICY.max_seconds)
            assert self.state.suppressed_until <= self.now + longest


TestSubscribed = Subscribed.TestCase
