"""The throttle of a provider's polls: it holds some back before the circuit has to open.

`streaming.core.throttle` decides; this module reads and stores what it remembers, in the circuit's
row: read once and written once for a poll, of which a provider has one at a time. What is lost when
a poll dies is the memory of its own calls.
"""

from __future__ import annotations

import random
from typing import cast

from betting.config import Config
from betting.models import Clock, Provider
from streaming.core import throttle as core
from streaming.core.breaker import Breaker, CallOutcome, Mode, State
from streaming.core.percentages import percent
from streaming.core.throttle import CallHistory, ThrottlePolicy
from streaming.models import Circuit

POLICY = ThrottlePolicy()


class Throttle:
    """The throttle of one provider, for one poll."""

    def __init__(self, provider: Provider, circuit: Breaker, history: CallHistory) -> None:
        self._provider = provider
        self._circuit = circuit
        self._history = self._known = history

    def reason_to_hold(self, *, is_acting: bool) -> str:
        """Return why this poll is held back, or would be if the throttle acted; usually nothing.

        Args:
            is_acting: whether the poll is held back then, or made all the same.
        """
        risk = core.assess(self._history, POLICY)
        chance = random.random()  # noqa: S311 - spreads polls, guards nothing
        if not core.holds_back(risk, self._circuit, chance):
            return ""
        held = core.hold(self._history, POLICY) if is_acting else core.note_held(self._history)
        self._history = held
        return f"Throttled: {risk.reason}. {percent(risk.share)} of the polls are held back."

    def record(self, call: CallOutcome, circuit: Breaker) -> None:
        """Count a call of the poll.

        Args:
            call: its result.
            circuit: the provider's circuit after it.
        """
        self._history = core.observe(self._history, POLICY, call)
        if circuit.state == "closed" and self._circuit.state != "closed":
            self._history = core.closed(self._history)
        self._circuit = circuit

    def save(self) -> None:
        """Store what is remembered of the calls, unless an operator has reset it meanwhile."""
        rows = Circuit.objects.filter(provider=self._provider)
        if self._known != CallHistory():
            rows = rows.filter(call_history__isnull=False)
        rows.update(call_history=self._history.document())


def throttle_of(provider: Provider, config: Config) -> Throttle | None:
    """Read the throttle of a provider; None where it is off, or nobody is asked.

    A recording's polls put no load on anyone, and say nothing of a provider's latency now.
    """
    if config.circuit_throttle == "off" or provider.clock != Clock.WALL:
        return None
    row = Circuit.objects.filter(provider=provider).only(
        "state", "mode", "failures", "call_history"
    )
    known = row.first() or Circuit(provider=provider)
    circuit = Breaker(
        state=cast("State", known.state), mode=cast("Mode", known.mode), failures=known.failures
    )
    return Throttle(provider, circuit, CallHistory.of(known.call_history))


def is_acting(config: Config) -> bool:
    """Return True if throttles hold polls back, and do not only show what they would do."""
    return config.circuit_throttle == "on" and config.circuits_enabled
