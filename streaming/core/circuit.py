"""The circuit breaker between a provider and its polls.

    closed ──failures──▶ open ──retry_at──▶ half-open ──successes──▶ closed
                          ▲                     │
                          └──────failure────────┘

Deciding and recording are separate: `decide` says whether a call may be made, `claim` takes the one
probe that a half-open circuit allows, and `record` applies the result of a call. Nothing is held
during the call itself.

A provider that asks for a pause gets it from its first failure on, in any state: a closed circuit
refuses calls until the pause ends and stays closed.

An operator's mode overrules the state: forced open refuses, forced closed and disabled let pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import itemgetter
from types import MappingProxyType
from typing import Literal

from streaming.core.failures import FailureKind, PermanentFailure, ProviderFailure, TransientFailure

State = Literal["closed", "open", "half_open"]
Mode = Literal["automatic", "forced_open", "forced_closed", "disabled"]
Command = Literal["open", "close", "reset", "disable"]

REFUSED_WAITS_SECONDS = (60.0, 120.0, 240.0, 480.0, 960.0, 1_920.0, 3_600.0)
"""Waits before a probe after a refusal without a known cause: the first, the second, ..."""

PERSON_WAIT_SECONDS = 86_400.0
"""The wait before a probe after a failure that needs a person, who may forget to reset."""

OK, SLOW, FAILED = ".", "s", "f"
"""The characters of a call in `Circuit.recent`."""


@dataclass(frozen=True, slots=True)
class CircuitPolicy:
    """Limits at which a circuit opens and closes, and its waits.

    Attributes:
        open_after_failures: failures in a row that open it.
        failure_rate: the part of the latest calls that failed, at or above which a failure opens
            it.
        slow_call_rate: the part of the latest calls that were slow, at or above which it opens.
        slow_call_seconds: an answer that takes this long is slow.
        window_calls: how many of the latest calls the two rates are of.
        min_calls: calls that the window must hold before a rate counts.
        backoff_seconds: how long it stays open: the first time, the second, ... and from then on.
        jitter_fraction: each wait varies by up to this part of it, either way.
        close_after_successes: probes in a row that have to succeed.
        forget_after_seconds: once it has been closed for this long, the waits start over.
        probe_lease_seconds: a probe without a result for this long may be followed by another.
    """

    open_after_failures: int = 3
    failure_rate: float = 0.5
    slow_call_rate: float = 0.8
    slow_call_seconds: float = 5.0
    window_calls: int = 20
    min_calls: int = 10
    backoff_seconds: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 15.0)
    jitter_fraction: float = 0.1
    close_after_successes: int = 2
    forget_after_seconds: float = 60.0
    probe_lease_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Circuit:
    """The state of one circuit.

    Attributes:
        state: see the module.
        mode: ``automatic`` where calls decide; any other was set by an operator's command.
        since: when it stopped letting calls pass as usual, or began to again. Probes that fail keep
            the beginning of their outage; an operator's command sets a new one. None before the
            first change.
        failures: failures in a row.
        recent: the latest calls, newest last: ``.`` good, ``s`` slow, ``f`` failed.
        step: how often it has opened since the waits last started over: the next one's index.
        retry_at: while open, the earliest time of a probe; None while an operator holds it open.
        probe: number of the newest probe.
        probe_until: when that probe's lease ends; None when none is under way.
        successes: probes in a row that have succeeded.
        pause_until: before then the provider does not want to be asked; None where it has not
            said so, or where calls have been made since.
        reason: why it is in its state, in words for a person.
        advice: what a person has to do; empty when nothing.
    """

    state: State = "closed"
    mode: Mode = "automatic"
    since: datetime | None = None
    failures: int = 0
    recent: str = ""
    step: int = 0
    retry_at: datetime | None = None
    probe: int = 0
    probe_until: datetime | None = None
    successes: int = 0
    pause_until: datetime | None = None
    reason: str = ""
    advice: str = ""

    @property
    def is_automatic(self) -> bool:
        """Return True if the calls decide, not an operator."""
        return self.mode == "automatic"

    @property
    def is_refusing(self) -> bool:
        """Return True if it is open, by its own state or by an operator's command."""
        return self.mode == "forced_open" or (self.is_automatic and self.state == "open")

    @property
    def is_sound(self) -> bool:
        """Return True if calls pass as usual: it is neither open nor being probed.

        >>> Circuit(state="half_open").is_sound, Circuit(state="open", mode="disabled").is_sound
        (False, True)
        """
        return self.mode != "forced_open" and not (self.is_automatic and self.state != "closed")

    @property
    def failure_rate(self) -> float:
        """The part of the latest calls that failed.

        >>> Circuit(recent="..fs").failure_rate
        0.25
        """
        return self.recent.count(FAILED) / max(len(self.recent), 1)

    @property
    def slow_call_rate(self) -> float:
        """The part of the latest calls that were slow."""
        return self.recent.count(SLOW) / max(len(self.recent), 1)


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on a call.

    Attributes:
        verdict: ``pass``, ``probe`` (after `claim`) or ``refuse``.
        until: the earliest time at which asking again may help; None when that is not known.
        reason: why it is refused.
    """

    verdict: Literal["pass", "probe", "refuse"]
    until: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """The result of a call.

    Attributes:
        seconds: how long it took.
        kind: the failure's kind; None when it succeeded.
        reason: the failure in words.
        advice: what a person can do about a permanent one.
        retry_after_seconds: the earliest the provider wants to be asked again.
        until: when a permanent failure ends by itself, as a used-up quota does.
        needs_person: whether a permanent failure is known to last until a person acts.
        probe: the number of the probe that it was; None for any other call.
    """

    seconds: float
    kind: FailureKind | None = None
    reason: str = ""
    advice: str = ""
    retry_after_seconds: float = 0.0
    until: datetime | None = None
    needs_person: bool = False
    probe: int | None = None

    @classmethod
    def of(cls, failure: ProviderFailure | None, seconds: float, probe: int | None = None) -> Call:
        """Return the result of a call that ended in a failure, or in none.

        >>> Call.of(TransientFailure("rate_limited", "HTTP 429", 7.0), 0.1).retry_after_seconds
        7.0
        """
        if failure is None:
            return cls(seconds, probe=probe)
        advice, until, retry_after_seconds, needs_person = "", None, 0.0, False
        if isinstance(failure, PermanentFailure):
            advice, until = failure.remedy, failure.until
            needs_person = failure.needs_person
        elif isinstance(failure, TransientFailure):
            retry_after_seconds = failure.retry_after_seconds or 0.0
        reason = f"{failure.code}: {failure}"
        return cls(
            seconds, failure.kind, reason, advice, retry_after_seconds, until, needs_person, probe
        )


def decide(circuit: Circuit, now: datetime) -> Decision:
    """Decide whether a call may be made now.

    >>> noon = datetime(2026, 1, 1, 12)
    >>> later = noon + timedelta(seconds=4)
    >>> decide(Circuit("open", retry_at=later, reason="HTTP 503"), noon)  # doctest: +ELLIPSIS
    Decision(verdict='refuse', until=datetime.datetime(2026, 1, 1, 12, 0, 4), reason='HTTP 503')
    >>> decide(Circuit("open", retry_at=later), later).verdict
    'probe'
    """
    if circuit.mode == "forced_open":
        return Decision("refuse", reason=circuit.reason)
    if not circuit.is_automatic:
        return Decision("pass")
    if circuit.state == "open" and circuit.retry_at is None:
        return Decision("refuse", reason=circuit.reason)
    waits = (
        (circuit.retry_at, circuit.reason),
        (circuit.probe_until, "A probe is under way."),
        (circuit.pause_until, "The provider has asked for a pause."),
    )
    ahead = [(until, reason) for until, reason in waits if until is not None and now < until]
    if ahead:
        return Decision("refuse", *max(ahead, key=itemgetter(0)))
    return Decision("pass" if circuit.state == "closed" else "probe")


def claim(circuit: Circuit, policy: CircuitPolicy, now: datetime) -> Circuit:
    """Return the circuit with its one probe claimed, after `decide` has allowed it."""
    claimed = replace(
        circuit,
        probe=circuit.probe + 1,
        probe_until=now + timedelta(seconds=policy.probe_lease_seconds),
    )
    if circuit.state == "half_open":
        return claimed
    return replace(claimed, state="half_open", retry_at=None, successes=0)


def release(circuit: Circuit, probe: int) -> Circuit:
    """Return the circuit without a probe whose call was not needed, and not made."""
    return replace(circuit, probe_until=None) if probe == circuit.probe else circuit


def record(
    circuit: Circuit,
    policy: CircuitPolicy,
    call: Call,
    now: datetime,
    *,
    chance: float = 0.5,
    is_acting: bool = True,
) -> Circuit:
    """Return the circuit after a call.

    Every call is counted, and any may ask for a pause. But only calls of a closed circuit and the
    current probe of a half-open one change the state: a late answer to a call made before it
    opened, or to a probe that was given up, says nothing new.

    Args:
        circuit: as it is now, not as it was when the call was made.
        policy: the thresholds.
        call: its result.
        now: when the result became known.
        chance: uniform in [0, 1]; where in its range the jitter falls.
        is_acting: False where circuits are switched off: calls are counted and nothing more.
    """
    counted = _counted(circuit, policy, call, now)
    if not (is_acting and circuit.is_automatic):
        return counted
    if circuit.state == "closed" and call.probe is None:
        return _after_call(counted, policy, call, now, chance)
    is_its_probe = call.probe == circuit.probe and circuit.probe_until is not None
    if circuit.state == "half_open" and is_its_probe:
        return _after_probe(counted, policy, call, now, chance)
    return counted


def order(circuit: Circuit, command: Command, reason: str, now: datetime) -> Circuit:
    """Return the circuit after an operator's command.

    ``open`` and ``close`` hold until another command; ``disable`` lets every call pass and keeps
    the rest of the state; ``reset`` starts from a new circuit.
    """
    return replace(_ORDERS[command](circuit), since=now, reason=reason, advice="")


_NEW = Circuit()


def _fresh(circuit: Circuit, mode: Mode, state: State = "closed") -> Circuit:
    # Probe numbers continue: a probe from before the command must not pass for a later one.
    return replace(_NEW, mode=mode, state=state, probe=circuit.probe)


_ORDERS: Mapping[Command, Callable[[Circuit], Circuit]] = MappingProxyType(
    {
        "open": lambda circuit: _fresh(circuit, "forced_open", "open"),
        "close": lambda circuit: _fresh(circuit, "forced_closed"),
        "reset": lambda circuit: _fresh(circuit, "automatic"),
        "disable": lambda circuit: replace(circuit, mode="disabled"),
    }
)


def _counted(circuit: Circuit, policy: CircuitPolicy, call: Call, now: datetime) -> Circuit:
    if call.kind is not None:
        outcome = FAILED
    else:
        outcome = SLOW if call.seconds >= policy.slow_call_seconds else OK
    return replace(
        circuit,
        failures=0 if call.kind is None else circuit.failures + 1,
        recent=(circuit.recent + outcome)[-policy.window_calls :],
        pause_until=_pause_until(circuit, call, now),
    )


def _pause_until(circuit: Circuit, call: Call, now: datetime) -> datetime | None:
    """Return the end of the longest pause that was asked for and is not over; None if none is."""
    asked_for = now + timedelta(seconds=call.retry_after_seconds)
    until = max(asked_for, circuit.pause_until or asked_for)
    return until if until > now else None


def _after_call(
    circuit: Circuit, policy: CircuitPolicy, call: Call, now: datetime, chance: float
) -> Circuit:
    words = _reason_to_open(circuit, policy, call)
    if not words:
        return circuit
    has_recovered = circuit.since is None or now - circuit.since >= timedelta(
        seconds=policy.forget_after_seconds
    )
    if has_recovered:
        circuit = replace(circuit, step=0)
    return _opened(circuit, policy, call, now, chance, words)


def _reason_to_open(circuit: Circuit, policy: CircuitPolicy, call: Call) -> str:
    """Return why the latest call opens a closed circuit; empty when it does not."""
    if call.kind == "permanent":
        return call.reason
    if call.kind is not None and circuit.failures >= policy.open_after_failures:
        return f"{circuit.failures} failures in a row, the last: {call.reason}"
    calls = len(circuit.recent)
    if calls < min(policy.min_calls, policy.window_calls):
        return ""
    if call.kind is not None and circuit.failure_rate >= policy.failure_rate:
        return f"{circuit.failure_rate:.0%} of {calls} calls failed, the last: {call.reason}"
    if circuit.slow_call_rate >= policy.slow_call_rate:
        return f"{circuit.slow_call_rate:.0%} of {calls} calls were slow"
    return ""


def _after_probe(
    circuit: Circuit, policy: CircuitPolicy, call: Call, now: datetime, chance: float
) -> Circuit:
    circuit = replace(circuit, probe_until=None)
    if call.kind is not None:
        return _opened(circuit, policy, call, now, chance, f"The probe failed: {call.reason}")
    successes = circuit.successes + 1
    if successes < policy.close_after_successes:
        return replace(circuit, successes=successes)
    return replace(
        circuit,
        state="closed",
        since=now,
        recent="",
        successes=0,
        reason=f"{successes} probes succeeded",
        advice="",
    )


def _opened(
    circuit: Circuit,
    policy: CircuitPolicy,
    call: Call,
    now: datetime,
    chance: float,
    reason: str,
) -> Circuit:
    circuit = replace(
        circuit,
        state="open",
        # A probe that fails prolongs an outage; it does not begin one.
        since=now if circuit.state == "closed" else circuit.since,
        successes=0,
        reason=reason,
        advice=call.advice,
    )
    if call.kind == "permanent" and call.until is not None:
        # Probing earlier would not help, so no step of the waits is used up either.
        return replace(circuit, retry_at=call.until)
    waits = _waits(policy, call)
    wait = waits[min(circuit.step, len(waits) - 1)]
    wait *= 1 + policy.jitter_fraction * (2 * chance - 1)
    return replace(
        circuit,
        step=circuit.step + (not call.needs_person),
        retry_at=max(now + timedelta(seconds=wait), circuit.pause_until or now),
    )


def _waits(policy: CircuitPolicy, call: Call) -> tuple[float, ...]:
    """Return the seconds before the first probe after such a failure, the second, ... and later."""
    if call.kind != "permanent":
        return policy.backoff_seconds
    return (PERSON_WAIT_SECONDS,) if call.needs_person else REFUSED_WAITS_SECONDS
