"""A provider's circuit with its probes and generations, as an explicit model.

The circuit's row, the workers between reading it and claiming its probe, and the calls under way.
Each step names the code that has its guard; `tests/models/test_circuit_model.py` runs that code
from the states that the model reaches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from tests.support.explorer import Step

GUARDS = frozenset({"version", "generation", "probe_number", "one_probe", "lease_ends"})
"""What the code relies on; a model without one of them shows what it is for.

* ``version``: a probe is claimed only of the row that was read;
* ``generation``: a call that was admitted before the circuit last opened changes no state;
* ``probe_number``: nor does the answer to any probe but the newest;
* ``one_probe``: no probe is claimed while another one's lease lasts;
* ``lease_ends``: the lease of a probe that was never answered ends.
"""

T = TypeVar("T")

OPEN_AFTER = 2
CLOSE_AFTER = 2

FAULTS = frozenset(
    {
        "call_fails",
        "call_is_not_made",
        "caller_dies",
        "probe_outlasts_its_lease",
        "operator_opens",
        "operator_resets",
    }
)


@dataclass(frozen=True, slots=True, order=True)
class Call:
    """A call under way; its probe's number is 0 where it is an ordinary one."""

    generation: int
    probe: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Asker:
    """A worker that has read that a probe is due, and has not claimed it yet.

    Attributes:
        is_current: whether the row is still as it was read.
        generation: the provider's generation, read with it.
        number: the number that its probe would have.
        successes: the successes that the row would have.
    """

    is_current: bool
    generation: int
    number: int
    successes: int


@dataclass(frozen=True, slots=True)
class CircuitModelState:
    """A circuit and all that is under way about it.

    Attributes:
        state: `Breaker.state`.
        is_forced_open: whether an operator holds it open.
        generation: `Provider.generation`.
        failures: failures in a row; more than open it count as that many.
        is_due: whether `retry_at` has passed.
        lease: whether `probe_until` is unset, ahead or past.
        probe: the number of the newest probe.
        successes: probes in a row that have succeeded.
        askers: the workers that are about to claim a probe.
        calls: the calls under way.
        is_overruled: whether a late answer has ever changed the state.
        is_crowded: whether a probe was ever claimed beside another one whose lease lasted.
        faults: faults that may still come.
    """

    state: Literal["closed", "open", "half_open"] = "closed"
    is_forced_open: bool = False
    generation: int = 0
    failures: int = 0
    is_due: bool = False
    lease: Literal["none", "ahead", "past"] = "none"
    probe: int = 0
    successes: int = 0
    askers: tuple[Asker, ...] = ()
    calls: tuple[Call, ...] = ()
    is_overruled: bool = False
    is_crowded: bool = False
    faults: int = 0

    @property
    def is_closed(self) -> bool:
        """Return True if calls pass as usual."""
        return self.state == "closed" and not self.is_forced_open

    def is_late(self, call: Call) -> bool:
        """Return True if the answer to a call says nothing about the circuit as it is now."""
        is_old_probe = bool(call.probe) and call.probe != self.probe
        return call.generation != self.generation or is_old_probe

    def is_under_way(self, probe: int) -> bool:
        """Return True if this probe has not been answered."""
        return any(call.probe == probe for call in self.calls)


def is_sound(state: CircuitModelState) -> bool:
    """Return True unless two calls are one probe, a late answer had a say, or the row is absurd."""
    probes = [call.probe for call in state.calls if call.probe]
    return (
        len(probes) == len(set(probes))
        and max(probes, default=0) <= state.probe
        and not (state.is_overruled or state.is_crowded)
        and (state.lease == "none" or state.state == "half_open")
        and (not state.is_due or state.state == "open")
        and (state.successes == 0 or state.state == "half_open")
    )


@dataclass(frozen=True)
class CircuitModel:
    """The steps of a circuit.

    Attributes:
        guards: the guards that hold.
        most: how many workers ask, and how many calls are under way, at most.
    """

    guards: frozenset[str] = GUARDS
    most: int = 2

    def steps(self) -> dict[str, Step[CircuitModelState]]:
        """Return all steps by their names."""
        return {
            "worker_asks": self.worker_asks,
            "worker_claims": self.worker_claims,
            "call_succeeds": self.call_succeeds,
            "call_fails": self.call_fails,
            "call_is_not_made": self.call_is_not_made,
            "caller_dies": self.caller_dies,
            "probe_outlasts_its_lease": self.probe_outlasts_its_lease,
            "lease_of_a_dead_probe_ends": self.lease_of_a_dead_probe_ends,
            "next_poll_frees_a_dead_probe": self.next_poll_frees_a_dead_probe,
            "retry_comes": self.retry_comes,
            "operator_opens": self.operator_opens,
            "operator_lifts": self.operator_lifts,
            "operator_resets": self.operator_resets,
        }

    def worker_asks(self, state: CircuitModelState) -> Iterator[CircuitModelState]:
        """Read the row: `breaker.decide`, in `circuits.admit`. A refusal changes nothing."""
        if state.is_forced_open or (state.state == "open" and not state.is_due):
            return
        if state.lease == "ahead" and "one_probe" in self.guards:
            return
        if state.state == "closed":
            yield from self._calling(state, Call(state.generation))
        elif len(state.askers) < self.most:
            asker = Asker(True, state.generation, state.probe + 1, state.successes)
            yield replace(state, askers=tuple(sorted((*state.askers, asker))))

    def worker_claims(self, state: CircuitModelState) -> Iterator[CircuitModelState]:
        """Claim the probe: ``WHERE version = …`` of `circuits._write`, with `breaker.claim`."""
        for asker in set(state.askers):
            left = replace(state, askers=_without(state.askers, asker))
            if not asker.is_current and "version" in self.guards:
                yield left
                continue
            claimed = replace(
                left,
                state="half_open",
                is_due=False,
                lease="ahead",
                probe=asker.number,
                successes=asker.successes,
                is_crowded=state.lease == "ahead",
            )
            yield from self._calling(_written(claimed), Call(asker.generation, asker.number))

    def call_succeeds(self, state: CircuitModelState) -> Iterator[CircuitModelState]:
        """Record a good answer: `circuits.record`. One that is no news changes nothing."""
        for call in set(state.calls):
            ended = replace(state, calls=_without(state.calls, call))
            if self._is_ignored(state, call):
                yield ended
                continue
            if not call.probe:
                yield ended
            counted = _written(replace(ended, failures=0))
            if not self._is_its_probe(state, call):
                yield counted
                continue
            yield self._judged(state, call, self._after_success(counted))

    def _after_success(self, state: CircuitModelState) -> CircuitModelState:
        probed = replace(state, lease="none", is_due=False, successes=state.successes + 1)
        if probed.successes < CLOSE_AFTER:
            return probed
        return replace(probed, state="closed", successes=0)

    def call_fails(self, state: CircuitModelState) -> Iterator[CircuitModelState]:
        """Record a failure: `circuits.record` with `breaker.record`, which opens or does not."""
        if not state.faults:
            return
        for call in set(state.calls):
            ended = replace(state, calls=_without(state.calls, call), faults=state.faults - 1)
            if self._is_ignored(state, call):
                yield ended
                continue
            failures = min(state.failures + 1, OPEN_AFTER)
            counted = _written(replace(ended, failures=failures))
            opens = failures == OPEN_AFTER and state.is_closed
            if opens or self._is_its_probe(state, call):
                counted = self._judged(state, call, _opened(counted))
            yield counted

    def _is_ignored(self, state: CircuitModelState, call: Call) -> bool:
        """Return True if an answer is of before the outage, or of a probe that was given up."""
        is_old = call.generation != state.generation and "generation" in self.guards
        is_newest = call.probe == state.probe and state.lease != "none"
        return is_old or bool(call.probe and not is_newest and "probe_number" in self.guards)

    def _is_its_probe(self, state: CircuitModelState, call: Call) -> bool:
        """Return True if a half-open circuit takes a call for its probe."""
        return state.state == "half_open" and call.probe > 0 and not state.is_forced_open

    def _judged(
        self, before: CircuitModelState, call: Call, after: CircuitModelState
    ) -> CircuitModelState:
        """Note whether it was a late answer that changed the state."""
        return replace(after, is_overruled=after.is_overruled or before.is_late(call))

    def call_is_not_made(self, state: CircuitModelState) -> Iterator[CircuitModelState]:
        """Give an admission back: `circuits.release`; the newest probe is free again."""
        if state.faults:
            for call in set(state.calls):
                ended = replace(state, calls=_without(state.calls, call), faults=state.faults - 1)
                if call.probe == state.probe and state.lease != "none":
                    ended = _written(replace(ended, lease="none"))
                yield ended

    def caller_dies(self, state: CircuitModelState) -> Iterator[CircuitModelState]:
        """Kill a worker between its admission and its record."""
        if state.faults:
            for call in set(state.calls):
                yield replace(state, calls=_without(state.calls, call), faults=state.faults - 1)

    def probe_outlasts_its_lease(self, state: CircuitModelState) -> Iterator[CircuitModelState]:
        """Let the lease of a probe end that is still under way."""
        if state.lease == "ahead" and state.faults and state.is_under_way(state.probe):
            yield replace(state, lease="past", faults=state.faults - 1)

    def lease_of_a_dead_probe_ends(self, state: CircuitModelState) -> Iterator[CircuitModelState]:
        """Let time pass: ``probe_until`` of `breaker.decide`."""
        is_dead = state.lease == "ahead" and not state.is_under_way(state.probe)
        if "lease_ends" in self.guards and is_dead:
            yield replace(state, lease="past")

    def next_poll_frees_a_dead_probe(self, state: CircuitModelState) -> Iterator[CircuitModelState]:
        """Free the probe of a poll that died: `circuits.release_abandoned`."""
        is_dead = state.lease != "none" and not state.is_under_way(state.probe)
        if "lease_ends" in self.guards and is_dead:
            yield _written(replace(state, lease="none"))

    def retry_comes(self, state: CircuitModelState) -> Iterator[CircuitModelState]:
        """Let time pass: ``retry_at`` of `breaker.decide`."""
        if state.state == "open" and not state.is_forced_open and not state.is_due:
            yield replace(state, is_due=True)

    def operator_opens(self, state: CircuitModelState) -> Iterator[CircuitModelState]:
        """Force it open: `circuits.give_command`; a new generation unless it refused before."""
        if state.faults and not state.is_forced_open:
            has_opened = state.state != "open"
            yield replace(
                _fresh(state),
                state="open",
                is_forced_open=True,
                generation=state.generation + has_opened,
                faults=state.faults - 1,
            )

    def operator_lifts(self, state: CircuitModelState) -> Iterator[CircuitModelState]:
        """Reset what an operator has opened: `circuits.give_command`."""
        if state.is_forced_open:
            yield _fresh(state)

    def operator_resets(self, state: CircuitModelState) -> Iterator[CircuitModelState]:
        """Reset a circuit that calls have opened: `circuits.give_command`."""
        if state.faults and not state.is_forced_open and state.state != "closed":
            yield replace(_fresh(state), faults=state.faults - 1)

    def _calling(self, state: CircuitModelState, call: Call) -> Iterator[CircuitModelState]:
        if len(state.calls) < self.most:
            yield replace(state, calls=tuple(sorted((*state.calls, call))))


def _without(all_of_them: tuple[T, ...], one: T) -> tuple[T, ...]:
    place = all_of_them.index(one)
    return all_of_them[:place] + all_of_them[place + 1 :]


def _written(state: CircuitModelState) -> CircuitModelState:
    """Return the state after a write of the row, which nobody has read yet."""
    stale = tuple(sorted(replace(asker, is_current=False) for asker in state.askers))
    return replace(state, askers=stale)


def _opened(state: CircuitModelState) -> CircuitModelState:
    return replace(
        state,
        state="open",
        generation=state.generation + 1,
        is_due=False,
        lease="none",
        successes=0,
    )


def _fresh(state: CircuitModelState) -> CircuitModelState:
    """Return a new circuit, whose probes' numbers go on."""
    return _written(
        replace(
            state,
            state="closed",
            is_forced_open=False,
            failures=0,
            is_due=False,
            lease="none",
            successes=0,
        )
    )
