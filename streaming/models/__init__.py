"""What the stream did, and the state it keeps about those it talks to."""

from streaming.models.circuit import Circuit, CircuitMode, CircuitState, CircuitTransition
from streaming.models.poll import PollOutcome, PollRun

__all__ = [
    "Circuit",
    "CircuitMode",
    "CircuitState",
    "CircuitTransition",
    "PollOutcome",
    "PollRun",
]
