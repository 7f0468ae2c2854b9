"""When a failing subscriber is left alone, for how long, and who tries it again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streaming.core.breaker import Breaker, BreakerPolicy, CallOutcome, claim, decide, record
from streaming.core.suppression import SuppressionPolicy

POLICY = SuppressionPolicy()
BREAKER = replace(POLICY.breaker, probe_lease_seconds=10.0)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FINE = CallOutcome(0.005)
BROKEN = CallOutcome(0.005, "transient", "timeout")


def after(*calls: CallOutcome, breaker: Breaker | None = None) -> Breaker:
    breaker = breaker or Breaker()
    for call in calls:
        breaker = record(breaker, BREAKER, call, NOON)
    return breaker


def first_wait_seconds(policy: BreakerPolicy, in_a_row: int, recent: str) -> float:
    """How long a subscriber with these latest deliveries is suppressed for the n-th time."""
    breaker = Breaker("half_open", recent=recent, step=in_a_row - 1)
    suppressed = record(breaker, replace(policy, window_calls=len(recent) + 1), BROKEN, NOON)
    assert suppressed.retry_at is not None
    return (suppressed.retry_at - NOON).total_seconds()


def test_two_failures_in_a_row_suppress_nobody() -> None:
    assert decide(after(BROKEN, BROKEN, FINE, BROKEN, BROKEN), NOON).verdict == "pass"


def test_the_third_failure_in_a_row_suppresses_for_a_time_that_grows_with_the_failure_rate() -> (
    None
):
    well = after(*[FINE] * 47, BROKEN, BROKEN, BROKEN)
    assert well.retry_at == NOON + timedelta(seconds=1 + 3 / 50)
    never_well = after(BROKEN, BROKEN, BROKEN)
    assert never_well.retry_at == NOON + timedelta(seconds=2)


def test_each_failing_probe_doubles_the_wait_up_to_a_minute() -> None:
    state = after(BROKEN, BROKEN, BROKEN)
    waits = []
    for _ in range(8):
        assert state.retry_at is not None
        at = state.retry_at
        state = record(state, BREAKER, BROKEN, at)
        assert state.retry_at is not None
        waits.append((state.retry_at - at).total_seconds())
    assert waits == [4, 8, 16, 32, 60, 60, 60, 60]


def test_a_failure_that_began_before_the_suppression_does_not_prolong_it() -> None:
    suppressed = after(BROKEN, BROKEN, BROKEN)
    late = record(suppressed, BREAKER, BROKEN, NOON + timedelta(seconds=1))
    assert (late.retry_at, late.step) == (suppressed.retry_at, 1)
    assert late.failures == 4


def test_one_success_ends_a_suppression_and_what_it_had_grown_to() -> None:
    state = after(*[BROKEN] * 3, FINE)
    assert decide(state, NOON).verdict == "pass"
    again = after(*[BROKEN] * 3, breaker=state)
    assert again.step == 1


def test_a_probe_that_never_ends_gives_way_to_another_once_its_lease_is_over() -> None:
    suppressed = after(*[BROKEN] * 3)
    due = suppressed.retry_at
    assert due is not None
    probed = claim(suppressed, BREAKER, due)
    assert decide(probed, due).verdict == "refuse"
    assert decide(probed, due + timedelta(seconds=10)).verdict == "probe"


@given(
    in_a_row=st.integers(1, 10**9),
    failed=st.tuples(st.integers(0, 20), st.integers(0, 20)).map(sorted),
    first=st.floats(0.01, 3_600),
    maximum=st.floats(3_600, 86_400),
)
def test_a_wait_is_bounded_and_never_shorter_for_a_higher_rate_or_a_later_turn(
    in_a_row: int, failed: list[int], first: float, maximum: float
) -> None:
    policy = SuppressionPolicy(first_seconds=first, max_seconds=maximum).breaker
    fewer, more = ("f" * count + "." * (20 - count) for count in failed)
    wait = first_wait_seconds(policy, in_a_row, fewer)
    assert first - 1e-6 <= wait <= maximum + 1e-6
    assert wait <= first_wait_seconds(policy, in_a_row, more)
    assert wait <= first_wait_seconds(policy, in_a_row + 1, fewer)


class Subscribed(RuleBasedStateMachine):
    """A subscriber whose deliveries begin, overlap and end in any order, as time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker()
        self.now = NOON
        self.under_way = 0
        self.failed_in_a_row = 0
        self.ended = 0

    @rule(seconds=st.floats(0, 100))
    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def begin(self) -> None:
        verdict = decide(self.breaker, self.now).verdict
        if verdict == "probe":
            self.breaker = claim(self.breaker, BREAKER, self.now)
            # Claimed: whoever asks next, at the same moment, does not get it.
            assert decide(self.breaker, self.now).verdict == "refuse"
        self.under_way += verdict != "refuse"

    @precondition(lambda self: self.under_way)
    @rule(call=st.sampled_from([FINE, BROKEN]))
    def end(self, call: CallOutcome) -> None:
        before = self.breaker
        self.under_way -= 1
        self.ended += 1
        self.failed_in_a_row = 0 if call.kind is None else self.failed_in_a_row + 1
        self.breaker = record(before, BREAKER, call, self.now)
        if call.kind is None:
            assert decide(self.breaker, self.now).verdict == "pass"
        elif before.retry_at is not None:
            assert self.breaker.retry_at is not None
            assert self.breaker.retry_at >= before.retry_at

    @invariant()
    def counts_are_those_of_what_ended(self) -> None:
        assert self.breaker.failures == self.failed_in_a_row
        assert len(self.breaker.recent) == min(self.ended, POLICY.window)
        assert 0 <= self.breaker.failure_rate <= 1

    @invariant()
    def it_is_suppressed_exactly_after_three_failures_in_a_row(self) -> None:
        is_suppressed = self.breaker.state != "closed"
        assert is_suppressed == (self.failed_in_a_row >= POLICY.after_failures)

    @invariant()
    def no_suppression_lasts_longer_than_the_longest(self) -> None:
        if self.breaker.retry_at is not None:
            longest = timedelta(seconds=POLICY.max_seconds)
            assert self.breaker.retry_at <= self.now + longest


TestSubscribed = Subscribed.TestCase
