"""The circuit breaker: between a provider or a feed and its polls, and before a subscriber.

    closed ──failures──▶ open ──retry_at──▶ half-open ──successes──▶ closed
                          ▲                     │
                          └──────failure────────┘

Deciding and recording are separate: `decide` says whether a call may be made, `claim` takes the one
probe that a half-open breaker allows, and `record` applies the result of a call. Nothing is held
during the call itself. What differs between providers and subscribers is in their `BreakerPolicy`.

A provider that asks for a pause gets it from its first failure on, in any state: a closed breaker
refuses calls until the pause ends and stays closed.

An operator's mode overrules the state: forced open refuses, forced closed and disabled let pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import itemgetter
from types import MappingProxyType
from typing import Annotated, Literal

from msgspec import Meta as Setting

from streaming.core.failures import FailureKind, PermanentFailure, ProviderFailure, TransientFailure
from streaming.core.letter_words import answer_words
from streaming.core.percentages import percent

State = Literal["closed", "open", "half_open"]
Mode = Literal["automatic", "forced_open", "forced_closed", "disabled"]
Command = Literal["open", "close", "reset", "disable"]

REFUSED_WAITS_SECONDS = (60.0, 120.0, 240.0, 480.0, 960.0, 1_920.0, 3_600.0)
"""Waits before a probe after a refusal without a known cause: the first, the second, ..."""

PERSON_WAIT_SECONDS = 86_400.0
"""The wait before a probe after a failure that needs a person, who may forget to reset."""

OK, SLOW, FAILED = ".", "s", "f"
"""The characters of a call in `Breaker.recent`."""


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """Limits at which a breaker opens and closes, and its waits.

    The defaults are those of providers. The last three are what sets subscribers apart.

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
        stretch: each wait grows by this times the failure rate, up to the longest of the backoff.
        keeps_window: whether closing leaves the window as it is, instead of emptying it.
        any_call_probes: whether, while it is open, any call that ends counts as its probe: one that
            succeeded at once, one that failed once a probe is due.

    Those without `Setting` are the same everywhere, unless a circuit's row has its own.
    """

    open_after_failures: Annotated[int, Setting(ge=1, le=1_000)] = 3
    failure_rate: Annotated[float, Setting(ge=0, le=1)] = 0.5
    slow_call_rate: float = 0.8
    slow_call_seconds: float = 5.0
    window_calls: int = 20
    min_calls: int = 10
    backoff_seconds: Annotated[tuple[float, ...], Setting()] = (1.0, 2.0, 4.0, 8.0, 15.0)
    jitter_fraction: float = 0.1
    close_after_successes: int = 2
    forget_after_seconds: float = 60.0
    probe_lease_seconds: float = 30.0
    stretch: float = 0.0
    keeps_window: bool = False
    any_call_probes: bool = False


@dataclass(frozen=True, slots=True)
class Breaker:
    """The state of one breaker.

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
    def is_healthy(self) -> bool:
        """Return True if calls pass as usual: it is neither open nor being probed.

        >>> Breaker(state="half_open").is_healthy, Breaker(state="open", mode="disabled").is_healthy
        (False, True)
        """
        return self.mode != "forced_open" and not (self.is_automatic and self.state != "closed")

    @property
    def failure_rate(self) -> float:
        """The part of the latest calls that failed.

        >>> Breaker(recent="..fs").failure_rate
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
class CallOutcome:
    """The result of a call.

    Attributes:
        seconds: how long it took.
        kind: the failure's kind; None when it succeeded.
        reason: the failure in words, the same on every page and in every notification.
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
    def of(
        cls, failure: ProviderFailure | None, seconds: float, probe: int | None = None
    ) -> CallOutcome:
        """Return the result of a call that ended in a failure, or in none.

        >>> CallOutcome.of(
        ...     TransientFailure("rate_limited", "HTTP 429", 7.0), 0.1
        ... ).retry_after_seconds
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
        # Its code is for those who count failures: the poll's row and log line have it.
        reason = answer_words(str(failure)) if failure.kind == "data" else str(failure)
        return cls(
            seconds, failure.kind, reason, advice, retry_after_seconds, until, needs_person, probe
        )


def decide(breaker: Breaker, now: datetime) -> Decision:
    """Decide whether a call may be made now.

    >>> noon = datetime(2026, 1, 1, 12)
    >>> later = noon + timedelta(seconds=4)
    >>> decide(Breaker("open", retry_at=later, reason="HTTP 503"), noon)  # doctest: +ELLIPSIS
    Decision(verdict='refuse', until=datetime.datetime(2026, 1, 1, 12, 0, 4), reason='HTTP 503')
    >>> decide(Breaker("open", retry_at=later), later).verdict
    'probe'
    """
    if breaker.mode == "forced_open":
        return Decision("refuse", reason=breaker.reason)
    if not breaker.is_automatic:
        return Decision("pass")
    if breaker.state == "open" and breaker.retry_at is None:
        return Decision("refuse", reason=breaker.reason)
    waits = (
        (breaker.retry_at, breaker.reason),
        (breaker.probe_until, "A probe is under way."),
        (breaker.pause_until, "The provider has asked for a pause."),
    )
    ahead = [(until, reason) for until, reason in waits if until is not None and now < until]
    if ahead:
        return Decision("refuse", *max(ahead, key=itemgetter(0)))
    return Decision("pass" if breaker.state == "closed" else "probe")


def claim(breaker: Breaker, policy: BreakerPolicy, now: datetime) -> Breaker:
    """Return the breaker with its one probe claimed, after `decide` has allowed it."""
    claimed = replace(
        breaker,
        probe=breaker.probe + 1,
        probe_until=now + timedelta(seconds=policy.probe_lease_seconds),
    )
    if breaker.state == "half_open":
        return claimed
    return replace(claimed, state="half_open", retry_at=None, successes=0)


def release(breaker: Breaker, probe: int) -> Breaker:
    """Return the breaker without a probe whose call was not needed, and not made."""
    return replace(breaker, probe_until=None) if probe == breaker.probe else breaker


def record(
    breaker: Breaker,
    policy: BreakerPolicy,
    call: CallOutcome,
    now: datetime,
    *,
    chance: float = 0.5,
    is_acting: bool = True,
    is_late: bool = False,
) -> Breaker:
    """Return the breaker after a call.

    Only calls of a closed breaker and the current probe of a half-open one change the state. A late
    answer, to a call made before it opened or to a probe that was given up, says nothing about it
    as it is now: it is not counted, and may but ask for a pause.

    Args:
        breaker: as it is now, not as it was when the call was made.
        policy: the thresholds.
        call: its result.
        now: when the result became known.
        chance: uniform in [0, 1]; where in its range the jitter falls.
        is_acting: False where breakers are switched off: calls are counted and nothing more.
        is_late: whether it has opened since the call was admitted.
    """
    if is_late or _is_given_up(breaker, call):
        return replace(breaker, pause_until=_pause_until(breaker, call, now))
    counted = _counted(breaker, policy, call, now)
    if not (is_acting and breaker.is_automatic):
        return counted
    if breaker.state == "closed":
        return _after_call(counted, policy, call, now, chance)
    if _is_its_probe(breaker, policy, call, now):
        return _after_probe(counted, policy, call, now, chance)
    return counted


def _is_given_up(breaker: Breaker, call: CallOutcome) -> bool:
    """Return True if a call was a probe, and is not the one that is waited for."""
    is_newest = call.probe == breaker.probe and breaker.probe_until is not None
    return call.probe is not None and not is_newest


def _is_its_probe(
    breaker: Breaker, policy: BreakerPolicy, call: CallOutcome, now: datetime
) -> bool:
    """Return True if a call that ended decides what becomes of a breaker that is not closed."""
    if policy.any_call_probes:
        return call.kind is None or breaker.retry_at is None or now >= breaker.retry_at
    return breaker.state == "half_open" and call.probe is not None


def with_command(breaker: Breaker, command: Command, reason: str, now: datetime) -> Breaker:
    """Return the breaker after an operator's command.

    ``open`` and ``close`` hold until another command; ``disable`` lets every call pass and keeps
    the rest of the state; ``reset`` starts from a new breaker.
    """
    return replace(_COMMANDS[command](breaker), since=now, reason=reason, advice="")


_NEW = Breaker()


def _fresh(breaker: Breaker, mode: Mode, state: State = "closed") -> Breaker:
    # Probe numbers continue: a probe from before the command must not pass for a later one.
    return replace(_NEW, mode=mode, state=state, probe=breaker.probe)


_COMMANDS: Mapping[Command, Callable[[Breaker], Breaker]] = MappingProxyType(
    {
        "open": lambda breaker: _fresh(breaker, "forced_open", "open"),
        "close": lambda breaker: _fresh(breaker, "forced_closed"),
        "reset": lambda breaker: _fresh(breaker, "automatic"),
        "disable": lambda breaker: replace(breaker, mode="disabled"),
    }
)


def _counted(breaker: Breaker, policy: BreakerPolicy, call: CallOutcome, now: datetime) -> Breaker:
    if call.kind is not None:
        outcome = FAILED
    else:
        outcome = SLOW if call.seconds >= policy.slow_call_seconds else OK
    return replace(
        breaker,
        failures=0 if call.kind is None else breaker.failures + 1,
        recent=(breaker.recent + outcome)[-policy.window_calls :],
        pause_until=_pause_until(breaker, call, now),
    )


def _pause_until(breaker: Breaker, call: CallOutcome, now: datetime) -> datetime | None:
    """Return the end of the longest pause that was asked for and is not over; None if none is."""
    asked_for = now + timedelta(seconds=call.retry_after_seconds)
    until = max(asked_for, breaker.pause_until or asked_for)
    return until if until > now else None


def _after_call(
    breaker: Breaker, policy: BreakerPolicy, call: CallOutcome, now: datetime, chance: float
) -> Breaker:
    words = _reason_to_open(breaker, policy, call)
    if not words:
        return breaker
    has_recovered = breaker.since is None or now - breaker.since >= timedelta(
        seconds=policy.forget_after_seconds
    )
    if has_recovered:
        breaker = replace(breaker, step=0)
    return _opened(breaker, policy, call, now, chance, words)


def _reason_to_open(breaker: Breaker, policy: BreakerPolicy, call: CallOutcome) -> str:
    """Return why the latest call opens a closed breaker; empty when it does not."""
    if call.kind == "permanent":
        return call.reason
    if call.kind is not None and breaker.failures >= policy.open_after_failures:
        return f"{breaker.failures} failures in a row, the last: {call.reason}"
    calls = len(breaker.recent)
    if calls < min(policy.min_calls, policy.window_calls):
        return ""
    if call.kind is not None and breaker.failure_rate >= policy.failure_rate:
        return f"{percent(breaker.failure_rate)} of {calls} calls failed, the last: {call.reason}"
    if breaker.slow_call_rate >= policy.slow_call_rate:
        return f"{percent(breaker.slow_call_rate)} of {calls} calls were slow"
    return ""


def _after_probe(
    breaker: Breaker, policy: BreakerPolicy, call: CallOutcome, now: datetime, chance: float
) -> Breaker:
    breaker = replace(breaker, probe_until=None, retry_at=None)
    if call.kind is not None:
        return _opened(breaker, policy, call, now, chance, f"The probe failed: {call.reason}")
    successes = breaker.successes + 1
    if successes < policy.close_after_successes:
        return replace(breaker, successes=successes)
    return replace(
        breaker,
        state="closed",
        since=now,
        recent=breaker.recent if policy.keeps_window else "",
        successes=0,
        reason=f"{successes} probes succeeded",
        advice="",
    )


def _opened(
    breaker: Breaker,
    policy: BreakerPolicy,
    call: CallOutcome,
    now: datetime,
    chance: float,
    reason: str,
) -> Breaker:
    breaker = replace(
        breaker,
        state="open",
        # A probe that fails prolongs an outage; it does not begin one.
        since=now if breaker.state == "closed" else breaker.since,
        successes=0,
        reason=reason,
        advice=call.advice,
    )
    if call.kind == "permanent" and call.until is not None:
        # Probing earlier would not help, so no step of the waits is used up either.
        return replace(breaker, retry_at=call.until)
    wait = _wait_seconds(breaker, policy, call)
    wait *= 1 + policy.jitter_fraction * (2 * chance - 1)
    return replace(
        breaker,
        step=breaker.step + (not call.needs_person),
        retry_at=max(now + timedelta(seconds=wait), breaker.pause_until or now),
    )


def _wait_seconds(breaker: Breaker, policy: BreakerPolicy, call: CallOutcome) -> float:
    """Return the seconds until the next probe after such a failure, before jitter."""
    if call.kind == "permanent" and call.needs_person:
        return PERSON_WAIT_SECONDS
    if call.kind == "permanent":
        return REFUSED_WAITS_SECONDS[min(breaker.step, len(REFUSED_WAITS_SECONDS) - 1)]
    waits = policy.backoff_seconds
    wait = waits[min(breaker.step, len(waits) - 1)]
    return min(wait * (1 + policy.stretch * breaker.failure_rate), max(waits))
