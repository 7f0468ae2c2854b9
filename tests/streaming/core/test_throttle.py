"""The throttle before the circuit: when it holds calls back, how many, and when it stops."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import fields, replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.breaker import Breaker, CallOutcome, Mode
from streaming.core.throttle import (
    CallHistory,
    RiskAssessment,
    ThrottlePolicy,
    assess,
    closed,
    hold,
    holds_back,
    note_held,
    observe,
)

POLICY = ThrottlePolicy()
GOOD, FAILED = CallOutcome(0.4), CallOutcome(0.1, "transient", "HTTP 503")

outcomes = st.builds(
    CallOutcome,
    seconds=st.floats(0, 1e6),
    kind=st.sampled_from([None, None, "transient", "permanent"]),
)
calls = st.lists(st.one_of(outcomes, st.just("held")), max_size=120)


def after(steps: Iterable[CallOutcome | str], history: CallHistory | None = None) -> CallHistory:
    """The history after some calls, or some that were held back."""
    history = history or CallHistory()
    for step in steps:
        if isinstance(step, CallOutcome):
            history = observe(history, POLICY, step)
        else:
            history = hold(history, POLICY)
    return history


def learnt() -> CallHistory:
    """A provider that has long answered in 0.4 s."""
    return after([GOOD] * 100)


@given(calls)
def test_score_and_share_keep_their_limits_whatever_happens(
    steps: list[CallOutcome | str],
) -> None:
    history = CallHistory()
    for step in steps:
        history = after([step], history)
        risk = assess(history, POLICY)
        assert 0.0 <= risk.score <= 1.0
        assert 0.0 <= risk.share <= POLICY.most_held < 1.0
        assert bool(risk.reason) == (risk.score > 0)


@given(calls)
def test_the_state_stays_a_few_bounded_numbers(steps: list[CallOutcome | str]) -> None:
    history = after(steps)
    document = history.document()

    assert len(document) == len(fields(CallHistory))
    assert CallHistory.of(json.loads(json.dumps(document))) == history
    assert history.learnt <= POLICY.learn_calls
    assert 0 <= history.latency_sum <= POLICY.latency_alarm
    assert 0 <= history.error_sum <= POLICY.error_alarm
    assert 0 <= history.accepts + history.failures <= history.requests + 1e-9
    assert history.requests <= POLICY.window_calls + 1e-9
    assert len(json.dumps(document)) < 500


@given(
    seed=st.integers(0, 10_000),
    usual=st.floats(0.05, 1.0),
    spread=st.floats(0.0, 0.4),
)
def test_a_provider_in_order_is_never_held_back(seed: int, usual: float, spread: float) -> None:
    chance = Random(seed)
    history = CallHistory()
    for _ in range(600):
        seconds = usual * pow(2.718, max(-2.5, min(2.5, chance.gauss(0, 1))) * spread)
        history = observe(history, POLICY, CallOutcome(seconds))
        assert assess(history, POLICY).share == 0.0


@given(
    before=st.lists(st.booleans(), max_size=60),
    since=st.lists(st.booleans(), max_size=60),
    other=st.lists(st.booleans(), max_size=60),
)
def test_more_failures_never_lower_the_risk(
    before: list[bool], since: list[bool], other: list[bool]
) -> None:
    fewer = [*before, *since]
    more = [*before, *(a or b for a, b in zip(since, [*other, *[False] * 60], strict=False))]
    low, high = (
        assess(after((FAILED if failed else GOOD) for failed in run), POLICY)
        for run in (fewer, more)
    )

    assert high.score >= low.score - 1e-9
    assert high.share >= low.share - 1e-9


@given(calls)
def test_usual_answers_end_every_throttle(steps: list[CallOutcome | str]) -> None:
    history = after([GOOD] * 20, after(steps))
    # Only what it takes for usual has to be usual for it: an answer below the harmless limit is.
    assert assess(history, POLICY).share == 0.0


def test_answers_that_grow_slower_are_held_back_before_a_call_is_slow_for_the_circuit() -> None:
    history, seconds = learnt(), 0.4
    while assess(history, POLICY).share == 0.0:
        seconds *= 1.25
        history = observe(history, POLICY, CallOutcome(seconds))

    assert seconds < 5.0
    words = re.fullmatch(
        r"answers take (\d\.\d) s, usually (0\.\d) s", assess(history, POLICY).reason
    )
    assert words is not None
    assert float(words[1]) > 2.5
    assert float(words[2]) < 0.7


def test_one_slow_answer_is_no_reason() -> None:
    assert assess(observe(learnt(), POLICY, CallOutcome(9.0)), POLICY).share == 0.0


def test_answers_that_are_slow_only_for_their_provider_are_no_reason() -> None:
    assert assess(after([CallOutcome(2.4)] * 20, learnt()), POLICY).score == 0.0


def test_failures_between_answers_are_held_back_with_their_share_in_words() -> None:
    history = after([GOOD, FAILED, FAILED] * 5, learnt())
    risk = assess(history, POLICY)

    assert risk.share > 0
    assert risk.reason == "37 % of the latest calls failed"


def test_an_outage_does_not_become_usual() -> None:
    usual = learnt()
    slow = after([CallOutcome(8.0)] * 100, usual)

    assert assess(slow, POLICY).score == 1.0
    assert slow.mean - usual.mean < 0.5 * (slow.latest - usual.mean)


def test_a_lasting_change_becomes_usual_in_the_end() -> None:
    assert assess(after([CallOutcome(3.0)] * 5_000, learnt()), POLICY).share == 0.0


def test_a_circuit_that_closed_starts_without_suspicion_and_keeps_what_is_usual() -> None:
    history = closed(after([FAILED] * 20, learnt()))

    assert assess(history, POLICY) == RiskAssessment()
    assert (history.mean, history.learnt) == (learnt().mean, POLICY.learn_calls)


OPERATORS: tuple[Mode, ...] = ("forced_open", "forced_closed", "disabled")


@pytest.mark.parametrize(
    "circuit",
    [
        Breaker("open"),
        Breaker("half_open", probe=1),
        Breaker(failures=1),
        *(Breaker(mode=mode) for mode in OPERATORS),
    ],
)
def test_neither_probes_nor_the_call_after_a_failure_nor_an_operators_are_held_back(
    circuit: Breaker,
) -> None:
    assert not holds_back(RiskAssessment(1.0, "why", 0.7), circuit, 0.0)


@given(chance=st.floats(0, 1, exclude_max=True), share=st.floats(0, 0.7))
def test_the_share_of_chances_is_held_back(chance: float, share: float) -> None:
    risk = RiskAssessment(1.0, "why", share)

    assert holds_back(risk, Breaker(), chance) == (chance < share)


def test_calls_held_back_are_counted_also_where_they_are_made() -> None:
    history = note_held(hold(learnt(), POLICY))

    assert history.held == 2
    assert replace(note_held(learnt()), held=0) == learnt()


def test_what_another_release_has_stored_is_read() -> None:
    assert CallHistory.of(None) == CallHistory()
    assert CallHistory.of({"mean": -1.0, "later": 3.0}) == CallHistory(mean=-1.0)
