"""One run of a script: a provider polled under the circuit, with or without the throttle."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from streaming.benchmark.throttle.scripts import Script
from streaming.core import breaker as core
from streaming.core import throttle
from streaming.core.breaker import Breaker, BreakerPolicy, CallOutcome
from streaming.core.throttle import CallHistory, ThrottlePolicy

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
INTERVAL_JITTER = 0.1
"""Each interval varies by up to this part of it, as `streaming.polling` has it."""

LATE_FRACTION = 1.2
"""A call later than this many intervals after the one before has been held back."""


@dataclass
class Figures:
    """The figures of one run.

    Attributes:
        good: calls that were answered in time.
        bad: calls that failed or were slow.
        worker_seconds: how long calls took, all together.
        held: calls that the throttle held back.
        held_healthy: those of them while the provider was healthy.
        held_back_minutes: the time without calls while the provider was healthy.
        opened: when the circuit opened, in seconds of the script.
        first_held: when the throttle first held calls back in earnest after the first fault began.
    """

    good: int = 0
    bad: int = 0
    worker_seconds: float = 0.0
    held: int = 0
    held_healthy: int = 0
    held_back_minutes: float = 0.0
    opened: list[float] = field(default_factory=list)
    first_held: float | None = None


@dataclass
class Trial:
    """A provider in simulated time, and its poller.

    Attributes:
        script: the provider.
        interval_seconds: between two polls.
        policy: of the circuit.
        throttling: of the throttle; None for the circuit alone.
        figures: of the run so far.
        circuit: as it is at present.
        history: what the throttle remembers at present.
        last_call: when the latest call was made.
        wait_chance: of the poll, for the wait of a circuit that opens.
        hold_chance: of the poll, for the throttle.
    """

    script: Script
    interval_seconds: float
    policy: BreakerPolicy
    throttling: ThrottlePolicy | None
    figures: Figures = field(default_factory=Figures)
    circuit: Breaker = field(default_factory=Breaker)
    history: CallHistory = field(default_factory=CallHistory)
    last_call: float = 0.0
    wait_chance: float = 0.0
    hold_chance: float = 0.0

    def run(self) -> Figures:
        """Poll the provider until the script ends."""
        at, number = 0.0, 0
        while at < self.script.seconds:
            number += 1
            # By number, so that both deciders poll at the same times while neither holds back.
            chance = Random(f"{self.script.seed} {number}")  # noqa: S311 - repeatable chance
            jitter = 1 + INTERVAL_JITTER * (2 * chance.random() - 1)
            self.wait_chance, self.hold_chance = chance.random(), chance.random()
            at = self._poll(at, at + self.interval_seconds * jitter)
        self._count_gap(self.script.seconds)
        return self.figures

    def _poll(self, at: float, usual: float) -> float:
        """Make the poll that is due, if the deciders let it pass; return when the next one is."""
        now = _moment(at)
        decision = core.decide(self.circuit, now)
        if decision.verdict == "refuse":
            return min(usual, _seconds(decision.until)) if decision.until else usual
        if decision.verdict == "pass" and self._is_held_back(at):
            return usual
        probe = None
        if decision.verdict == "probe":
            self.circuit = core.claim(self.circuit, self.policy, now)
            probe = self.circuit.probe
        return self._call(at, usual, probe)

    def _is_held_back(self, at: float) -> bool:
        if self.throttling is None:
            return False
        risk = throttle.assess(self.history, self.throttling)
        if not throttle.holds_back(risk, self.circuit, self.hold_chance):
            return False
        self.history = throttle.hold(self.history, self.throttling)
        self.figures.held += 1
        if self.script.is_healthy(at):
            self.figures.held_healthy += 1
        elif self.figures.first_held is None:
            self.figures.first_held = at
        return True

    def _call(self, at: float, usual: float, probe: int | None) -> float:
        self._count_gap(at)
        self.last_call = at
        answer = self.script.answer(at)
        call = CallOutcome(answer.seconds, answer.kind, answer.reason, probe=probe)
        self._count(call)
        ended = at + call.seconds
        if self.throttling is not None:
            self.history = throttle.observe(self.history, self.throttling, call)
        before = self.circuit
        self.circuit = core.record(
            before, self.policy, call, _moment(ended), chance=self.wait_chance
        )
        if self.circuit.state == "closed" and before.state != "closed":
            self.history = throttle.closed(self.history)
        if self.circuit.is_refusing and not before.is_refusing:
            if before.state == "closed":
                self.figures.opened.append(ended)
            if self.circuit.retry_at is not None:
                return _seconds(self.circuit.retry_at)
        if self.circuit.state == "half_open" and self.circuit.successes > before.successes:
            return ended
        # One poll at a time: one that is due while another is under way does nothing.
        return max(usual, ended)

    def _count(self, call: CallOutcome) -> None:
        is_bad = call.kind is not None or call.seconds >= self.policy.slow_call_seconds
        self.figures.bad += is_bad
        self.figures.good += not is_bad
        self.figures.worker_seconds += call.seconds

    def _count_gap(self, at: float) -> None:
        """Count the healthy time since the last call, beyond when the next one was due."""
        due = self.last_call + self.interval_seconds * LATE_FRACTION
        if at > due:
            healthy = at - due - self.script.fault_seconds(due, at)
            self.figures.held_back_minutes += healthy / 60


def run_script(
    script: Script, interval_seconds: float, throttling: ThrottlePolicy | None
) -> Figures:
    """Return the figures of a script under the circuit, with the throttle or without."""
    return Trial(script, interval_seconds, BreakerPolicy(), throttling).run()


def _moment(at: float) -> datetime:
    return BEGIN + timedelta(seconds=at)


def _seconds(moment: datetime) -> float:
    return (moment - BEGIN).total_seconds()
