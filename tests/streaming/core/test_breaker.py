"""Every transition of a circuit, and both sides of every threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.breaker import (
    PERSON_WAIT_SECONDS,
    Breaker,
    BreakerPolicy,
    CallOutcome,
    Command,
    Decision,
    Mode,
    State,
    claim,
    decide,
    record,
    release,
    with_command,
)
from streaming.core.failures import (
    DataFailure,
    FailureKind,
    PermanentFailure,
    ProviderFailure,
    TransientFailure,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = BreakerPolicy()
GOOD, SLOW, FAILED = CallOutcome(0.1), CallOutcome(5.0), CallOutcome(0.1, "transient", "HTTP 503")
NOT_AUTOMATIC: tuple[Mode, ...] = ("forced_open", "forced_closed", "disabled")


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def replay(calls: str, policy: BreakerPolicy = POLICY) -> Breaker:
    """A new circuit after calls at noon: ``.`` good, ``s`` slow, ``f`` failed."""
    circuit = Breaker()
    for character in calls:
        call = {".": GOOD, "s": SLOW, "f": FAILED}[character]
        circuit = record(circuit, policy, call, NOON)
    return circuit


def wait_seconds(circuit: Breaker, now: datetime) -> float:
    assert circuit.retry_at is not None
    return (circuit.retry_at - now).total_seconds()


def probed(circuit: Breaker, now: datetime, call: CallOutcome, chance: float = 0.5) -> Breaker:
    """The circuit after the probe that it allows now."""
    assert decide(circuit, now).verdict == "probe"
    claimed = claim(circuit, POLICY, now)
    return record(claimed, POLICY, replace(call, probe=claimed.probe), now, chance=chance)


def half_open(successes: int = 0) -> Breaker:
    """A circuit at noon whose newest probe, number 7, is under way."""
    return Breaker(
        "half_open", since=NOON, probe=7, probe_until=after(30), step=1, successes=successes
    )


@pytest.mark.parametrize(
    ("calls", "state"),
    [
        ("", "closed"),
        ("ff", "closed"),
        ("fff", "open"),
        ("ff.ff", "closed"),
        ("ff.fff", "open"),
        ("ffsff", "closed"),  # a slow answer is an answer
    ],
)
def test_three_failures_in_a_row_open_it(calls: str, state: State) -> None:
    assert replay(calls).state == state


@pytest.mark.parametrize(
    ("calls", "state"),
    [
        ("f.f.f.f.f", "closed"),  # 5 of 9, but 9 are too few
        (".f.f.f.f.f", "open"),  # 5 of 10
        ("..f.f.f..f", "closed"),  # 4 of 10
        ("..f.f.f.ff", "open"),  # 5 of 10
        ("..f..f.f.ff", "closed"),  # 5 of 11
        ("f.f.f.f.f." + "f", "open"),  # at 5 of 10 the latest answer was good
        (".." * 10 + "f." * 9 + ".f", "open"),  # 10 of the latest 20; the calls before are over
        (".." * 10 + "f." * 8 + "..f", "closed"),  # 9 of the latest 20
    ],
)
def test_half_of_enough_calls_failing_opens_it(calls: str, state: State) -> None:
    assert replay(calls).state == state


def test_a_good_answer_never_opens_it_on_its_failure_rate() -> None:
    circuit = replay("f.f.f.f.f.")
    assert (circuit.state, circuit.failure_rate) == ("closed", 0.5)


@pytest.mark.parametrize(
    ("calls", "state"),
    [
        ("s" * 9, "closed"),
        ("s" * 10, "open"),
        ("..sssssss" + "s", "open"),  # 8 of 10
        ("...sssssss", "closed"),  # 7 of 10
        ("ssssssss." + ".", "open"),  # whatever the latest call was
        ("." * 4 + "s" * 15, "closed"),  # 15 of 19
        ("." * 4 + "s" * 16, "open"),  # 16 of 20
        ("." * 20 + "s" * 15, "closed"),
        ("." * 20 + "s" * 16, "open"),
    ],
)
def test_four_fifths_of_enough_calls_being_slow_open_it(calls: str, state: State) -> None:
    assert replay(calls).state == state


@pytest.mark.parametrize(("seconds", "recent"), [(4.999, "."), (5.0, "s"), (60.0, "s")])
def test_a_call_is_slow_from_five_seconds_on(seconds: float, recent: str) -> None:
    assert record(Breaker(), POLICY, CallOutcome(seconds), NOON).recent == recent


def test_a_failure_is_a_failure_however_long_it_took() -> None:
    assert record(Breaker(), POLICY, CallOutcome(60.0, "transient", "timeout"), NOON).recent == "f"


def test_a_window_smaller_than_the_minimum_counts_once_it_is_full() -> None:
    policy = BreakerPolicy(open_after_failures=9, window_calls=4, min_calls=10)
    assert replay(".f.", policy).state == "closed"
    assert replay(".f.f", policy).state == "open"


@pytest.mark.parametrize("kind", ["transient", "data"])
def test_transient_and_data_failures_count_alike(kind: FailureKind) -> None:
    circuit = Breaker()
    for _ in range(3):
        circuit = record(circuit, POLICY, CallOutcome(0.1, kind, "bad_json: no JSON"), NOON)
    assert (circuit.state, circuit.failures, circuit.recent) == ("open", 3, "fff")
    assert circuit.reason == "3 failures in a row, the last: bad_json: no JSON"
    assert circuit.advice == ""


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_the_waits_are_1_2_4_8_15_15_give_or_take_the_jitter(chance: float) -> None:
    now, waits = NOON, []
    circuit = record(replay("ff"), POLICY, FAILED, now, chance=chance)
    for _ in range(6):
        waits.append(wait_seconds(circuit, now))
        now = circuit.retry_at or now
        circuit = probed(circuit, now, FAILED, chance)
    factor = 0.9 + 0.2 * chance
    assert waits == pytest.approx([factor * wait for wait in (1, 2, 4, 8, 15, 15)], abs=1e-6)


@given(st.floats(0, 1), st.integers(0, 8), st.floats(0, 1))
def test_a_wait_is_within_its_jitter(chance: float, step: int, jitter: float) -> None:
    policy = replace(POLICY, jitter_fraction=jitter)
    circuit = Breaker(failures=2, step=step, since=after(-1))
    opened = record(circuit, policy, FAILED, NOON, chance=chance)
    usual = POLICY.backoff_seconds[min(step, 4)]
    assert usual * (1 - jitter) - 1e-6 <= wait_seconds(opened, NOON) <= usual * (1 + jitter) + 1e-6


@pytest.mark.parametrize(
    ("retry_after_seconds", "wait"), [(0.0, 1.0), (0.99, 1.0), (1.01, 1.01), (3600.0, 3600.0)]
)
def test_what_the_provider_asks_for_is_the_least_wait(
    retry_after_seconds: float, wait: float
) -> None:
    often = CallOutcome(0.1, "transient", "HTTP 429", retry_after_seconds=retry_after_seconds)
    assert wait_seconds(record(replay("ff"), POLICY, often, NOON), NOON) == wait
    opened = probed(Breaker("open", retry_at=NOON), NOON, often)
    assert wait_seconds(opened, NOON) == wait


@given(st.integers(1, 2), st.floats(0.001, 86_400))
def test_a_closed_circuit_keeps_the_pause_that_a_failure_asks_for_and_stays_closed(
    failures: int, seconds: float
) -> None:
    asks = CallOutcome(0.1, "transient", "HTTP 429", retry_after_seconds=seconds)
    circuit = record(replay("f" * (failures - 1)), POLICY, asks, NOON)
    until = after(seconds)
    assert (circuit.state, circuit.pause_until) == ("closed", until)
    assert circuit.is_healthy
    early = decide(circuit, until - timedelta(microseconds=1))
    assert early == Decision("refuse", until, "The provider has asked for a pause.")
    assert decide(circuit, until).verdict == "pass"


@given(
    st.lists(
        st.tuples(st.floats(0, 30), st.sampled_from([None, 0.0, 3.0, 40.0]), st.booleans()),
        max_size=20,
    )
)
def test_nothing_is_asked_within_a_pause_whatever_else_has_happened(
    steps: list[tuple[float, float | None, bool]],
) -> None:
    circuit, now, quiet_until = Breaker(), NOON, NOON
    for seconds, retry_after_seconds, is_late in steps:
        now += timedelta(seconds=seconds)
        verdict = decide(circuit, now).verdict
        if verdict == "refuse" and not is_late:
            continue
        # What was asked before the pause began may well be answered within it.
        assert is_late or now >= quiet_until
        call = GOOD if retry_after_seconds is None else FAILED
        if not is_late and verdict == "probe":
            circuit = claim(circuit, POLICY, now)
            call = replace(call, probe=circuit.probe)
        asked_for = retry_after_seconds or 0.0
        circuit = record(circuit, POLICY, replace(call, retry_after_seconds=asked_for), now)
        quiet_until = max(quiet_until, now + timedelta(seconds=asked_for))


def test_a_probe_waits_for_the_end_of_a_pause_that_a_late_answer_asks_for() -> None:
    late = CallOutcome(0.1, "transient", "HTTP 429", retry_after_seconds=60)
    opened = record(replay("fff"), POLICY, late, after(0.5))
    assert opened.retry_at == after(1)
    assert decide(opened, after(1)) == Decision(
        "refuse", after(60.5), "The provider has asked for a pause."
    )
    assert decide(opened, after(60.5)).verdict == "probe"


def test_a_pause_that_an_earlier_failure_asked_for_is_the_least_wait() -> None:
    paused = record(
        Breaker(), POLICY, CallOutcome(0.1, "transient", "", retry_after_seconds=60), NOON
    )
    for seconds in (1, 2):
        paused = record(paused, POLICY, FAILED, after(seconds))
    assert (paused.state, paused.retry_at) == ("open", after(60))


def test_a_pause_is_forgotten_with_the_first_call_after_it() -> None:
    paused = record(
        Breaker(), POLICY, CallOutcome(0.1, "transient", "", retry_after_seconds=7), NOON
    )
    assert record(paused, POLICY, GOOD, after(6.9)).pause_until == after(7)
    assert record(paused, POLICY, GOOD, after(7)).pause_until is None


def test_an_operator_who_lets_calls_pass_or_resets_the_circuit_ends_a_pause() -> None:
    paused = record(
        Breaker(), POLICY, CallOutcome(0.1, "transient", "", retry_after_seconds=60), NOON
    )
    commands: tuple[Command, ...] = ("close", "reset", "disable")
    for command in commands:
        assert decide(with_command(paused, command, "Because.", NOON), NOON).verdict == "pass"


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (TransientFailure("server_error", "HTTP 503"), "HTTP 503"),
        (TransientFailure("timeout", "The call did not end."), "The call did not end."),
        (PermanentFailure("key_rejected", "HTTP 401", "Check the key."), "HTTP 401"),
        (DataFailure("no_list", "Expected `array`, got `str`", "$"), "answer is text, not a list"),
        (DataFailure("too_large", "The body exceeds 9 bytes.", "body"), "The body exceeds 9 bytes"),
    ],
)  # fmt: skip
def test_the_reason_of_a_call_is_the_failure_in_words_without_its_code(
    failure: ProviderFailure, words: str
) -> None:
    assert CallOutcome.of(failure, 0.1).reason == words


@pytest.mark.parametrize("until", [None, after(3_600)])
def test_a_permanent_failure_opens_it_at_once_until_it_is_over(until: datetime | None) -> None:
    failure = PermanentFailure("key_rejected", "HTTP 401", "Check the key.", until)
    circuit = record(Breaker(), POLICY, CallOutcome.of(failure, 0.1), NOON)
    assert (circuit.state, circuit.since) == ("open", NOON)
    assert circuit.reason == "HTTP 401"
    # What is over by itself needs no reset.
    reset = "" if until else " Then reset the circuit."
    assert circuit.advice == f"Check the key.{reset}"
    assert circuit.retry_at == (until or after(PERSON_WAIT_SECONDS))
    assert circuit.step == 0


def test_one_that_waits_for_a_person_is_tried_again_every_day_all_the_same() -> None:
    rejected = CallOutcome(0.1, "permanent", "HTTP 401", "Check.", needs_person=True)
    circuit = record(Breaker(), POLICY, rejected, NOON)
    for day in (1, 2, 3):
        decision = decide(circuit, after(day * 86_400 - 1))
        assert (decision.verdict, decision.until) == ("refuse", after(day * 86_400))
        circuit = probed(circuit, after(day * 86_400), rejected)


def test_a_refusal_without_a_known_code_is_probed_after_1_2_4_up_to_60_minutes() -> None:
    page = PermanentFailure("forbidden", "HTTP 403", "Check the plan.", needs_person=False)
    circuit, now, waits = record(Breaker(), POLICY, CallOutcome.of(page, 0.1), NOON), NOON, []
    assert circuit.advice == "Check the plan."
    for _ in range(9):
        assert circuit.retry_at is not None
        waits.append((circuit.retry_at - now).total_seconds() / 60)
        now = circuit.retry_at
        circuit = probed(circuit, now, CallOutcome.of(page, 0.1))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_permanent_failure_of_a_probe_waits_for_a_person_too() -> None:
    call = CallOutcome(0.1, "permanent", "HTTP 401", "Check the key.", needs_person=True, probe=7)
    circuit = record(half_open(successes=1), POLICY, call, NOON)
    assert (circuit.state, circuit.retry_at) == ("open", after(PERSON_WAIT_SECONDS))
    assert (circuit.advice, circuit.probe_until) == ("Check the key.", None)
    assert (circuit.step, circuit.successes) == (1, 0)


def test_an_advice_is_gone_once_it_is_closed_or_opened_by_something_else() -> None:
    advised = Breaker("open", retry_at=NOON, advice="Check the key.")
    opened = probed(advised, NOON, FAILED)
    assert (opened.state, opened.advice) == ("open", "")
    half_closed = probed(advised, NOON, GOOD)
    assert half_closed.advice == "Check the key."
    assert probed(half_closed, NOON, GOOD).advice == ""


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(0, "refuse"), (0.999999, "refuse"), (1, "probe")]
)
def test_it_is_probed_from_the_end_of_its_wait_on(seconds: float, verdict: str) -> None:
    decision = decide(replay("fff"), after(seconds))
    assert decision.verdict == verdict
    if verdict == "refuse":
        assert decision.until == after(1)
        assert decision.reason == "3 failures in a row, the last: HTTP 503"


def test_one_probe_is_under_way_at_a_time() -> None:
    claimed = claim(replay("fff"), POLICY, after(1))
    assert (claimed.state, claimed.since, claimed.retry_at) == ("half_open", NOON, None)
    assert (claimed.probe, claimed.probe_until) == (1, after(31))
    for seconds in (1, 30.999999):
        decision = decide(claimed, after(seconds))
        assert (decision.verdict, decision.until) == ("refuse", after(31))


def test_a_probe_of_which_nothing_was_heard_is_given_up_when_its_lease_ends() -> None:
    first = claim(replay("fff"), POLICY, after(1))
    assert decide(first, after(31)).verdict == "probe"
    second = claim(first, POLICY, after(31))
    assert (second.state, second.since) == ("half_open", NOON)
    assert (second.probe, second.probe_until) == (2, after(61))


def test_a_probe_that_was_not_needed_makes_room_for_the_next() -> None:
    claimed = claim(replay("fff"), POLICY, after(1))
    released = release(claimed, claimed.probe)
    assert released == replace(claimed, probe_until=None)
    assert decide(released, after(1)).verdict == "probe"


def test_a_probe_that_was_given_up_cannot_release_the_next() -> None:
    assert release(half_open(), 6) == half_open()


def test_two_probes_that_succeed_close_it() -> None:
    once = probed(replay("fff"), after(1), GOOD)
    assert (once.state, once.successes, once.probe_until) == ("half_open", 1, None)
    twice = probed(once, after(2), GOOD)
    assert (twice.state, twice.since, twice.reason) == ("closed", after(2), "2 probes succeeded")
    assert (twice.successes, twice.failures, twice.recent) == (0, 0, "")
    assert decide(twice, after(2)).verdict == "pass"


def test_one_probe_that_fails_opens_it_for_the_next_longer_wait() -> None:
    once = probed(replay("fff"), after(1), GOOD)
    opened = probed(once, after(2), FAILED)
    assert (opened.state, opened.since, opened.successes) == ("open", NOON, 0)
    assert (opened.retry_at, opened.probe_until) == (after(4), None)
    assert opened.reason == "The probe failed: HTTP 503"


def test_probes_that_fail_keep_the_beginning_of_the_outage_until_it_is_over() -> None:
    circuit = replay("fff")
    for seconds in (10, 100, 1_000, 10_000):
        circuit = probed(circuit, after(seconds), FAILED)
        assert (circuit.state, circuit.since) == ("open", NOON)
    circuit = probed(
        circuit, after(10_100), CallOutcome(0.1, "permanent", "HTTP 401", "Mend the key.")
    )
    assert (circuit.state, circuit.since) == ("open", NOON)
    circuit = replace(circuit, retry_at=after(20_000))
    circuit = probed(probed(circuit, after(20_000), GOOD), after(20_001), GOOD)
    assert (circuit.state, circuit.since) == ("closed", after(20_001))


@pytest.mark.parametrize("call", [GOOD, FAILED, CallOutcome(0.1, "permanent", "HTTP 401")])
@pytest.mark.parametrize(
    "circuit", [replay("fff"), half_open(), half_open(successes=1)], ids=["open", "none", "one"]
)
def test_a_late_answer_to_an_old_call_or_a_given_up_probe_counts_nothing(
    circuit: Breaker, call: CallOutcome
) -> None:
    assert record(circuit, POLICY, call, after(0.5), is_late=True) == circuit
    given_up = replace(call, probe=circuit.probe - 1)
    assert record(circuit, POLICY, given_up, after(0.5)) == circuit


def test_a_failure_of_before_an_outage_does_not_open_the_circuit_one_failure_early() -> None:
    closed = record(replay("ff"), POLICY, FAILED, after(0.5), is_late=True)
    assert (closed.state, closed.failures) == ("closed", 2)
    assert record(closed, POLICY, FAILED, after(1)).state == "open"


def test_a_late_answer_may_ask_for_a_pause() -> None:
    late = record(Breaker(), POLICY, replace(FAILED, retry_after_seconds=9), after(0), is_late=True)
    assert late == Breaker(pause_until=after(9))


@pytest.mark.parametrize(
    "call", [FAILED, CallOutcome(0.1, "permanent", "HTTP 401", "Check the key.")]
)
def test_a_probe_that_was_given_up_cannot_open_what_later_probes_have_closed(
    call: CallOutcome,
) -> None:
    given_up = claim(replay("fff"), POLICY, after(1))
    closed = probed(probed(given_up, after(31), GOOD), after(32), GOOD)
    for _ in range(2):
        closed = record(closed, POLICY, FAILED, after(33))
    late = record(closed, POLICY, replace(call, probe=given_up.probe), after(33))
    assert late == closed


def test_an_answer_after_the_lease_counts_until_another_probe_has_taken_the_place() -> None:
    first = claim(replay("fff"), POLICY, after(1))
    answer = replace(GOOD, probe=first.probe)
    assert record(first, POLICY, answer, after(40)).successes == 1
    assert record(claim(first, POLICY, after(31)), POLICY, answer, after(40)).successes == 0


@pytest.mark.parametrize(("closed_seconds", "wait"), [(0, 4.0), (59.999999, 4.0), (60, 1.0)])
def test_the_waits_start_anew_only_after_a_minute_closed(
    closed_seconds: float, wait: float
) -> None:
    again = probed(replay("fff"), after(1), FAILED)  # waits 1, then 2
    closed = probed(probed(again, after(3), GOOD), after(3), GOOD)
    now = after(3 + closed_seconds)
    for _ in range(3):
        closed = record(closed, POLICY, FAILED, now)
    assert wait_seconds(closed, now) == wait


@pytest.mark.parametrize(
    ("mode", "verdict"),
    [("forced_open", "refuse"), ("forced_closed", "pass"), ("disabled", "pass")],
)
@pytest.mark.parametrize("state", ["closed", "open", "half_open"])
def test_an_operators_word_overrules_the_state(mode: Mode, verdict: str, state: State) -> None:
    decision = decide(Breaker(state, mode, reason="Maintenance."), NOON)
    assert (decision.verdict, decision.until) == (verdict, None)
    assert decision.reason == ("Maintenance." if verdict == "refuse" else "")


@pytest.mark.parametrize("mode", NOT_AUTOMATIC)
def test_calls_move_nothing_while_an_operator_decides(mode: Mode) -> None:
    circuit = Breaker(mode=mode, since=NOON)
    for _ in range(12):
        circuit = record(circuit, POLICY, CallOutcome(9.0, "permanent", "HTTP 401"), after(9))
    assert circuit == Breaker(mode=mode, since=NOON, failures=12, recent="f" * 12)


@pytest.mark.parametrize(
    ("command", "mode", "state"),
    [
        ("open", "forced_open", "open"),
        ("close", "forced_closed", "closed"),
        ("reset", "automatic", "closed"),
    ],
)
def test_a_command_leaves_nothing_of_before_but_the_number_of_the_probe(
    command: Command, mode: Mode, state: State
) -> None:
    before = replace(half_open(1), failures=2, recent="sf", advice="Wait.", reason="HTTP 503")
    commanded = with_command(before, command, "Because.", after(9))
    assert commanded == Breaker(state, mode, since=after(9), probe=7, reason="Because.")


def test_disabling_keeps_the_state() -> None:
    before = replace(half_open(1), failures=2, recent="sf", advice="Wait.", reason="HTTP 503")
    disabled = with_command(before, "disable", "Because.", after(9))
    assert disabled == replace(
        before, mode="disabled", since=after(9), reason="Because.", advice=""
    )


@pytest.mark.parametrize("commands", [["reset"], ["open", "reset"], ["close", "reset"]])
def test_a_probe_of_before_a_reset_does_not_pass_for_a_later_one(
    commands: Sequence[Command],
) -> None:
    circuit = half_open()
    for command in commands:
        circuit = with_command(circuit, command, "Because.", after(1))
    for _ in range(3):
        circuit = record(circuit, POLICY, FAILED, after(2))
    claimed = claim(circuit, POLICY, after(3))
    assert record(claimed, POLICY, replace(GOOD, probe=7), after(4)).successes == 0


@pytest.mark.parametrize(
    "circuit",
    [Breaker(), replay("fff"), half_open(), half_open(successes=1)],
    ids=["closed", "open", "none", "one"],
)
@pytest.mark.parametrize("call", [GOOD, SLOW, FAILED, CallOutcome(0.1, "permanent", "HTTP 401")])
def test_calls_are_counted_and_nothing_more_where_circuits_are_off(
    circuit: Breaker, call: CallOutcome
) -> None:
    counted = circuit
    for _ in range(12):
        own = replace(call, probe=circuit.probe) if circuit.probe_until else call
        counted = record(counted, POLICY, own, after(5), is_acting=False)
    unmoved = replace(counted, failures=circuit.failures, recent=circuit.recent)
    assert unmoved == circuit
    assert len(counted.recent) == len(circuit.recent) + 12


def test_a_call_keeps_what_a_failure_says() -> None:
    until = after(60)
    assert CallOutcome.of(None, 0.2, probe=3) == CallOutcome(0.2, probe=3)
    assert CallOutcome.of(TransientFailure("timeout", "late"), 5.0) == CallOutcome(
        5.0, "transient", "late"
    )
    assert CallOutcome.of(
        PermanentFailure("gone", "HTTP 402", "Pay.", until), 0.2, 4
    ) == CallOutcome(0.2, "permanent", "HTTP 402", "Pay.", until=until, needs_person=True, probe=4)
    assert CallOutcome.of(DataFailure("bad_price", "0", "$[1]"), 0.2) == CallOutcome(
        0.2, "data", "0"
    )
