"""The model of a circuit is true in every state, and does what the code does.

Explored without a server; then each step's own code runs on PostgreSQL from one state of each kind
that the model reaches, and has to lead to a state that the model allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import cast

import pytest
from django.db.models import F

from betting.config import get_config
from betting.models import Provider
from streaming.core.breaker import CallOutcome, Command, State
from streaming.models import Circuit
from streaming.polling import circuits
from streaming.polling.circuits import Admission
from tests.models.circuit import (
    FAULTS,
    GUARDS,
    OPEN_AFTER,
    Asker,
    Call,
    CircuitModel,
    CircuitModelState,
    is_sound,
)
from tests.support.explorer import Explored, explore, representatives
from tests.support.rows import make_circuit, make_provider
from tests.support.snapshots import at

BOUND = 50_000
NOW = at(1_000)
AHEAD, PAST = at(1_010), at(990)
CONFIG = replace(get_config(), circuit=replace(get_config().circuit, jitter_fraction=0.0))
WELL, DOWN = CallOutcome(0.1), CallOutcome(0.1, "transient", "HTTP 503")


@cache
def explored(faults: int, *removed: str) -> Explored[CircuitModelState]:
    """All states of a model, in which some guards are missing."""
    model = CircuitModel(GUARDS - set(removed))
    return explore(CircuitModelState(faults=faults), model.steps(), is_sound, BOUND)


# --- What holds in every state ---


def test_there_is_one_probe_at_a_time_and_no_late_answer_has_a_say() -> None:
    everything = explored(5)
    assert everything.counterexample is None
    assert len(everything.states) > 25_000
    assert any(state.generation >= 2 and state.probe >= 2 for state in everything.states)


def test_from_every_state_a_healthy_provider_closes_its_circuit() -> None:
    assert explored(5).never_reaching(lambda state: state.is_closed, FAULTS) == []


# --- What each guard is for ---


@pytest.mark.parametrize(
    ("guard", "last"),
    [
        ("version", "worker_claims"),
        ("one_probe", "worker_claims"),
        ("generation", "call_fails"),
        ("probe_number", "call_succeeds"),
    ],
)
def test_without_a_guard_a_trace_shows_what_goes_wrong(guard: str, last: str) -> None:
    trace = explored(4, guard).counterexample
    assert trace is not None
    assert [name for name, _ in trace][-1] == last


def test_a_lease_that_never_ends_leaves_a_circuit_half_open() -> None:
    stuck = explored(4, "lease_ends").never_reaching(lambda state: state.is_closed, FAULTS)
    assert stuck
    assert all(state.state != "closed" for state in stuck)


# --- The model does what the code does ---


@dataclass
class RealCircuit:
    """A circuit in PostgreSQL that can be put into any state of the model."""

    provider: Provider
    calls: list[Call] = field(default_factory=list)

    def put(self, state: CircuitModelState) -> None:
        """Bring the rows and the calls into a state."""
        Provider.objects.update(generation=state.generation)
        is_waiting = state.state == "open" and not state.is_forced_open
        Circuit.objects.update(
            state=state.state,
            mode="forced_open" if state.is_forced_open else "automatic",
            since=at(0),
            reason="as the model says",
            failures=state.failures,
            recent="." + "f" * state.failures,
            retry_at=(PAST if state.is_due else AHEAD) if is_waiting else None,
            probe=state.probe,
            probe_until={"none": None, "ahead": AHEAD, "past": PAST}[state.lease],
            successes=state.successes,
            version=F("version") + 1,
        )
        self.calls = list(state.calls)

    def state(self, before: CircuitModelState) -> CircuitModelState:
        """Return the state that it is in now; what the rows do not say is as it was."""
        row = Circuit.objects.get()
        self.provider.refresh_from_db()
        return replace(
            before,
            state=cast("State", row.state),
            is_forced_open=row.mode == "forced_open",
            generation=self.provider.generation,
            failures=min(row.failures, OPEN_AFTER),
            is_due=row.retry_at is not None and row.retry_at <= NOW,
            lease="none"
            if row.probe_until is None
            else ("ahead" if row.probe_until > NOW else "past"),
            probe=row.probe,
            successes=row.successes,
            calls=tuple(sorted(self.calls)),
        )

    # The steps, each by the code that it stands for.

    def ask(self) -> None:
        answer = circuits.admit(self.provider.pk, CONFIG, NOW)
        if isinstance(answer, Admission):
            self.calls.append(Call(answer.generation, answer.probe or 0))

    def ask_of_an_old_row(self, asker: Asker) -> None:
        """Claim a probe of a row that somebody has written since it was read."""

        def read(provider_id: int) -> Circuit:
            row = as_now(provider_id)
            row.state, row.retry_at, row.probe_until = "open", PAST, None
            row.probe, row.provider.generation = asker.number - 1, asker.generation
            Circuit.objects.update(version=F("version") + 1)
            return row

        as_now = circuits._row
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(circuits, "_row", read)
            self.ask()

    def record(self, outcome: CallOutcome) -> None:
        (call,) = self.calls
        self.calls.clear()
        admission, probe = self._admission(call), call.probe or None
        circuits.record(admission, replace(outcome, probe=probe), CONFIG, NOW)

    def release(self) -> None:
        (call,) = self.calls
        self.calls.clear()
        circuits.release(self._admission(call))

    def free(self) -> None:
        circuits.release_abandoned(self.provider.pk)

    def command(self, command: Command) -> None:
        circuits.give_command(self.provider, command, "maintenance", "ops", NOW)

    def _admission(self, call: Call) -> Admission:
        return Admission(self.provider.pk, call.generation, call.probe or None)


def asked_and_claimed(state: CircuitModelState) -> Iterable[CircuitModelState]:
    """Return what `admit` does: it reads, and claims at once what nobody has written meanwhile."""
    model = CircuitModel()
    for asked in model.worker_asks(state):
        yield from model.worker_claims(asked) if asked.askers else [asked]


def claimed_of_an_old_row(state: CircuitModelState) -> Iterable[CircuitModelState]:
    if [asker.is_current for asker in state.askers] == [False]:
        yield from CircuitModel().worker_claims(state)


def is_beside_a_newer_probe(state: CircuitModelState) -> bool:
    """Return True if an answer comes to an old probe, while a newer one has its lease."""
    return state.lease != "none" and 0 < state.calls[0].probe < state.probe


_ROW = ("state", "is_forced_open", "generation", "failures", "is_due", "lease", "probe")
_ALL = (*_ROW, "successes", "askers", "calls")
_STEPS = CircuitModel().steps()


@dataclass(frozen=True)
class Binding:
    """A step of the model and the code that it stands for, from states without other workers.

    Attributes:
        step: the step.
        run: the code, given the state that it starts from.
        calls: how many calls are under way.
        is_fault: whether the step takes one of the faults that may still come.
        may_be_refused: whether the code runs as well where the step is not possible.
        looks_at: the fields that the step looks at.
        is_late: whether the call is a probe that another one has followed.
    """

    step: Callable[[CircuitModelState], Iterable[CircuitModelState]]
    run: Callable[[RealCircuit, CircuitModelState], None]
    calls: int = 1
    is_fault: bool = False
    may_be_refused: bool = False
    looks_at: tuple[str, ...] = _ALL
    is_late: bool = False


BINDINGS = {
    "an admission": Binding(
        asked_and_claimed, lambda real, _: real.ask(), calls=0, may_be_refused=True
    ),
    "a claim of an old row": Binding(
        claimed_of_an_old_row,
        lambda real, state: real.ask_of_an_old_row(state.askers[0]),
        calls=0,
        looks_at=("state", "lease", "successes", "askers"),
    ),
    "a good answer": Binding(_STEPS["call_succeeds"], lambda real, _: real.record(WELL)),
    "a failure": Binding(_STEPS["call_fails"], lambda real, _: real.record(DOWN), is_fault=True),
    "a good answer to an old probe": Binding(
        _STEPS["call_succeeds"], lambda real, _: real.record(WELL), is_late=True
    ),
    "a failure of an old probe": Binding(
        _STEPS["call_fails"], lambda real, _: real.record(DOWN), is_fault=True, is_late=True
    ),
    "a call that is not made": Binding(
        _STEPS["call_is_not_made"], lambda real, _: real.release(), is_fault=True
    ),
    "the next poll": Binding(
        _STEPS["next_poll_frees_a_dead_probe"], lambda real, _: real.free(), calls=0
    ),
    "an operator who opens": Binding(
        _STEPS["operator_opens"], lambda real, _: real.command("open"), calls=0, is_fault=True
    ),
    "an operator who lifts": Binding(
        _STEPS["operator_lifts"], lambda real, _: real.command("reset"), calls=0
    ),
    "an operator who resets": Binding(
        _STEPS["operator_resets"], lambda real, _: real.command("reset"), calls=0, is_fault=True
    ),
}


@pytest.fixture
def real() -> RealCircuit:
    provider = make_provider()
    make_circuit(provider, open_after_failures=OPEN_AFTER, min_calls=20, window_calls=20)
    return RealCircuit(provider)


@pytest.mark.django_db
@pytest.mark.parametrize("name", BINDINGS)
def test_each_step_leads_where_the_code_leads(real: RealCircuit, name: str) -> None:
    binding = BINDINGS[name]
    states = [
        state
        for state in explored(5 if binding.is_late else 3 + binding.is_fault).states
        if len(state.calls) == binding.calls
        and (state.faults == 1 or not binding.is_fault)
        and (not binding.is_late or is_beside_a_newer_probe(state))
        and (not state.askers or binding.step is claimed_of_an_old_row)
    ]
    has_run = False
    for state in representatives(states, binding.step, binding.looks_at):
        allowed = set(binding.step(state))
        if not (allowed or binding.may_be_refused):
            continue
        real.put(state)
        assert real.state(state) == state
        binding.run(real, state)
        faults = state.faults - binding.is_fault
        after = replace(real.state(state), faults=faults)
        if allowed:
            after = replace(after, askers=next(iter(allowed)).askers)
        assert after in (allowed or {state}), state
        has_run = True
    assert has_run
