"""Whatever happens to a circuit, in whatever order, it does what a second account of it says.

The account is written from what the circuit promises: plain values in a dict, the waits as ranges.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from streaming.core.breaker import (
    Breaker,
    BreakerPolicy,
    CallOutcome,
    Command,
    Decision,
    claim,
    decide,
    record,
    release,
    with_command,
)
from streaming.core.suppression import SuppressionPolicy

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROUNDING_SECONDS = 2e-6
"""Of a moment to microseconds."""

DEFAULTS = BreakerPolicy()
of_subscribers = st.builds(
    SuppressionPolicy,
    after_failures=st.integers(1, 4),
    first_seconds=st.sampled_from([0.5, 1.0]),
    max_seconds=st.sampled_from([0.5, 5.0, 60.0]),
    window=st.integers(1, 8),
).map(lambda policy: policy.breaker)
of_providers = st.just(DEFAULTS) | st.builds(
    BreakerPolicy,
    open_after_failures=st.integers(1, 6),
    failure_rate=st.sampled_from([0.25, 0.5, 0.8, 1.0]),
    slow_call_rate=st.sampled_from([0.25, 0.5, 0.8, 1.0]),
    window_calls=st.integers(1, 8),
    min_calls=st.integers(1, 8),
    backoff_seconds=st.sampled_from([(1.0,), (1.0, 2.0, 4.0, 8.0, 15.0), (0.5, 30.0)]),
    jitter_fraction=st.sampled_from([0.0, 0.1, 1.0]),
    close_after_successes=st.integers(1, 3),
    forget_after_seconds=st.sampled_from([0.0, 10.0, 60.0]),
)
seconds_taken = st.sampled_from([0.1, 4.999, 5.0, 9.0])
transients = st.builds(
    CallOutcome,
    seconds_taken,
    st.sampled_from(["transient", "data"]),
    st.just("HTTP 503"),
    retry_after_seconds=st.sampled_from([0.0, 0.0, 3.0, 40.0]),
)
permanents = st.builds(
    CallOutcome,
    seconds_taken,
    st.just("permanent"),
    st.just("HTTP 401"),
    st.just("Check the key."),
    until=st.none() | st.sampled_from([NOON + timedelta(seconds=n) for n in (20, 120, 600)]),
    needs_person=st.booleans(),
)
successes = st.builds(CallOutcome, seconds_taken)
calls = successes | transients | st.one_of(successes, transients, permanents)
chances = st.sampled_from([0.0, 0.5, 1.0]) | st.floats(0, 1)
acting = st.sampled_from([True] * 9 + [False])
picks = st.integers(0, 9)


class BreakerMachine(RuleBasedStateMachine):
    """A breaker, the account of it, and the probes that are under way."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.circuit = Breaker()
        self.policy = DEFAULTS
        self.account: dict[str, Any] = {
            "state": "closed",
            "mode": "automatic",
            "since": None,
            "failures": 0,
            "recent": [],
            "opened": 0,
            "retry_at": None,
            "probe": 0,
            "probe_until": None,
            "successes": 0,
            "pause_until": None,
            "advice": "",
        }
        self.asked: list[int] = []
        self.leases: dict[int, datetime] = {}

    @property
    def may_be_probed(self) -> bool:
        """Whether all that a probe has to wait for is time."""
        circuit = self.circuit
        return circuit.is_automatic and (
            circuit.retry_at is not None or circuit.state == "half_open"
        )

    policies = of_providers

    @initialize(data=st.data())
    def start(self, data: st.DataObject) -> None:
        self.policy = data.draw(self.policies, label="policy")

    @rule(seconds=st.sampled_from([0.000001, 0.4, 1.0, 5.0, 29.0, 61.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: decide(self.circuit, self.now).until is not None)
    @rule(is_early=st.booleans())
    def the_time_comes(self, is_early: bool) -> None:
        until = decide(self.circuit, self.now).until
        assert until is not None
        assert until > self.now
        self.now = until - timedelta(microseconds=is_early)

    @precondition(lambda self: self.may_be_probed)
    @rule()
    def a_probe_begins(self) -> None:
        """As soon as it may; one that was under way before is given up."""
        self.now = decide(self.circuit, self.now).until or self.now
        assert decide(self.circuit, self.now) == Decision("probe")
        self._claim()

    @rule()
    def somebody_asks(self) -> None:
        decision = decide(self.circuit, self.now)
        assert (decision.verdict, decision.until) == self._expected_decision()
        if decision == Decision("probe"):
            self._claim()

    @rule(call=calls, chance=chances, is_acting=acting)
    def a_call_ends(self, call: CallOutcome, chance: float, is_acting: bool) -> None:
        self._record(call, chance, is_acting)

    @rule(call=transients, chance=chances, times=st.integers(2, 4))
    def calls_fail_in_a_row(self, call: CallOutcome, chance: float, times: int) -> None:
        for _ in range(times):
            self._record(call, chance, is_acting=True)

    @precondition(lambda self: self.asked)
    @rule(call=calls, chance=chances, is_acting=acting, pick=picks)
    def a_probe_ends(self, call: CallOutcome, chance: float, is_acting: bool, pick: int) -> None:
        number = self._ended(pick)
        self._record(replace(call, probe=number), chance, is_acting)

    @precondition(lambda self: self.asked and self.circuit.state == "closed")
    @rule(call=permanents, chance=chances, pick=picks)
    def a_probe_ends_after_it_is_closed(self, call: CallOutcome, chance: float, pick: int) -> None:
        number = self._ended(pick)
        self._record(replace(call, probe=number), chance, is_acting=True)

    @precondition(lambda self: self.asked)
    @rule(seconds=seconds_taken, chance=chances)
    def the_newest_probe_succeeds(self, seconds: float, chance: float) -> None:
        number = self._ended(-1)
        self._record(CallOutcome(seconds, probe=number), chance, is_acting=True)

    @precondition(lambda self: self.may_be_probed)
    @rule(seconds=seconds_taken)
    def it_recovers(self, seconds: float) -> None:
        for _ in range(self.policy.close_after_successes - self.circuit.successes):
            self.a_probe_begins()
            self.the_newest_probe_succeeds(seconds, 0.5)
            self.it_is_as_the_account_says()
        assert self.circuit.state == "closed"

    @precondition(lambda self: self.asked)
    @rule(pick=picks)
    def a_probe_is_not_made(self, pick: int) -> None:
        number = self._ended(pick)
        self.circuit = release(self.circuit, number)
        if number == self.account["probe"]:
            self.account["probe_until"] = None

    @precondition(lambda self: self.circuit.state != "closed" or not self.circuit.is_automatic)
    @rule()
    def an_operator_resets_it(self) -> None:
        self._command("reset")

    @rule(command=st.sampled_from([*get_args(Command), "reset", "reset", "reset"]))
    def an_operator_commands(self, command: Command) -> None:
        self._command(command)

    @invariant()
    def it_is_as_the_account_says(self) -> None:
        account, circuit = self.account, self.circuit
        for name in account.keys() - {"recent", "opened"}:
            assert getattr(circuit, name) == account[name], name
        assert circuit.recent == "".join(account["recent"])
        last = len(self.policy.backoff_seconds) - 1
        assert min(circuit.step, last) == min(account["opened"], last)

    @invariant()
    def it_makes_sense_by_itself(self) -> None:
        circuit = self.circuit
        assert circuit.probe_until is None or circuit.state == "half_open"
        assert circuit.retry_at is None or circuit.state == "open"
        assert len(circuit.recent) <= self.policy.window_calls
        assert circuit.successes < self.policy.close_after_successes
        assert circuit.successes == 0 or circuit.state == "half_open"
        assert circuit.reason or circuit.since is None
        # Nobody is left waiting for nothing: who is refused learns until when, or what to do.
        decision = decide(circuit, self.now)
        if decision.verdict == "refuse":
            assert decision.until or circuit.advice or circuit.mode == "forced_open"
            assert decision.reason

    def _command(self, command: Command) -> None:
        self.circuit = with_command(self.circuit, command, "Because.", self.now)
        account = self.account
        account.update(since=self.now, advice="")
        if command == "disable":
            account["mode"] = "disabled"
            return
        modes = {"open": "forced_open", "close": "forced_closed", "reset": "automatic"}
        account.update(
            mode=modes[command],
            state="open" if command == "open" else "closed",
            failures=0,
            recent=[],
            opened=0,
            retry_at=None,
            probe_until=None,
            successes=0,
            pause_until=None,
        )
        self.leases.clear()

    def _ended(self, pick: int) -> int:
        number = self.asked.pop(pick % len(self.asked))
        self.leases.pop(number, None)
        return number

    def _claim(self) -> None:
        assert all(until <= self.now for until in self.leases.values())
        self.circuit = claim(self.circuit, self.policy, self.now)
        account = self.account
        if account["state"] == "open":
            account.update(state="half_open", successes=0, retry_at=None)
        account["probe"] += 1
        lease = timedelta(seconds=self.policy.probe_lease_seconds)
        account["probe_until"] = self.leases[account["probe"]] = self.now + lease
        self.asked.append(account["probe"])

    def _expected_decision(self) -> tuple[str, datetime | None]:
        account = self.account
        if account["mode"] != "automatic":
            return ("refuse" if account["mode"] == "forced_open" else "pass"), None
        if account["state"] == "open" and account["retry_at"] is None:
            return "refuse", None
        waits = self._ahead("retry_at", "probe_until", "pause_until")
        if waits:
            return "refuse", max(waits)
        return ("pass" if account["state"] == "closed" else "probe"), None

    def _ahead(self, *names: str) -> list[datetime]:
        """Those of the account's moments that are still to come."""
        moments = [self.account[name] for name in names]
        return [moment for moment in moments if moment is not None and moment > self.now]

    def _record(self, call: CallOutcome, chance: float, is_acting: bool) -> None:
        self.circuit = record(
            self.circuit, self.policy, call, self.now, chance=chance, is_acting=is_acting
        )
        account, has_failed = self.account, call.kind is not None
        pauses = self._ahead("pause_until")
        if call.retry_after_seconds:
            pauses.append(self.now + timedelta(seconds=call.retry_after_seconds))
        account["pause_until"] = max(pauses, default=None)
        if call.probe is not None and (
            call.probe != account["probe"] or account["probe_until"] is None
        ):
            return
        account["failures"] = account["failures"] + 1 if has_failed else 0
        answer = "s" if call.seconds >= self.policy.slow_call_seconds else "."
        account["recent"] += "f" if has_failed else answer
        del account["recent"][: -self.policy.window_calls]
        if not is_acting or account["mode"] != "automatic":
            return
        if account["state"] == "closed" and call.probe is None and self._is_too_much(call):
            has_rested = account["since"] is None or self.now >= account["since"] + timedelta(
                seconds=self.policy.forget_after_seconds
            )
            self._expect_open(call, chance, 0 if has_rested else account["opened"])
        elif account["state"] != "closed" and self._decides(call):
            self._expect_after_probe(call, chance)

    def _decides(self, call: CallOutcome) -> bool:
        account = self.account
        if self.policy.any_call_probes:
            self.leases.clear()
            return call.kind is None or not self._ahead("retry_at")
        is_newest: bool = call.probe == account["probe"]
        return account["state"] == "half_open" and is_newest

    def _is_too_much(self, call: CallOutcome) -> bool:
        account, policy = self.account, self.policy
        if call.kind == "permanent":
            return True
        failed, slow = (account["recent"].count(kind) for kind in "fs")
        calls = len(account["recent"])
        has_enough = calls >= policy.min_calls or calls == policy.window_calls
        if call.kind is not None and (
            account["failures"] >= policy.open_after_failures
            or (has_enough and failed / calls >= policy.failure_rate)
        ):
            return True
        return has_enough and slow / calls >= policy.slow_call_rate

    def _expect_after_probe(self, call: CallOutcome, chance: float) -> None:
        account = self.account
        account.update(probe_until=None, retry_at=None)
        if call.kind is not None:
            self._expect_open(call, chance, account["opened"])
            return
        account["successes"] += 1
        if account["successes"] == self.policy.close_after_successes:
            account.update(state="closed", since=self.now, successes=0, advice="")
            if not self.policy.keeps_window:
                account["recent"] = []

    def _expect_open(self, call: CallOutcome, chance: float, opened: int) -> None:
        account = self.account
        if account["state"] == "closed":
            account["since"] = self.now
        account.update(state="open", successes=0, advice=call.advice)
        account["opened"] = opened
        if call.kind == "permanent" and call.until is not None:
            account["retry_at"] = call.until
            return
        account["opened"] += not call.needs_person
        waits = self.policy.backoff_seconds
        if call.kind == "permanent":
            minutes = (1_440,) if call.needs_person else (1, 2, 4, 8, 16, 32, 60)
            waits = tuple(60.0 * each for each in minutes)
        usual = waits[opened] if opened < len(waits) else waits[-1]
        if self.policy.stretch and call.kind != "permanent":
            recent = account["recent"]
            usual = min(usual * (1 + recent.count("f") / len(recent)), waits[-1])
        least, most = (usual * (1 + sign * self.policy.jitter_fraction) for sign in (-1, 1))
        assert self.circuit.retry_at is not None
        waited = (self.circuit.retry_at - self.now).total_seconds()
        pauses = [(end - self.now).total_seconds() for end in self._ahead("pause_until")]
        assert waited >= max(pauses, default=0.0) - ROUNDING_SECONDS
        exact = max([least + chance * (most - least), *pauses])
        assert abs(waited - exact) <= ROUNDING_SECONDS
        account["retry_at"] = self.circuit.retry_at


class SubscriberMachine(BreakerMachine):
    """The same before a subscriber."""

    policies = of_subscribers


@pytest.mark.parametrize("machine", [BreakerMachine, SubscriberMachine])
def test_a_breaker_does_what_a_second_account_of_it_says(machine: type[BreakerMachine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=200, stateful_step_count=60, deadline=None),
    )
