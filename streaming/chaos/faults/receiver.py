"""Faults of the subscriber that receives what is delivered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from streaming.chaos.faults.base import Fault
from streaming.chaos.plan import Kind
from streaming.chaos.receiver import Answer
from streaming.chaos.stage import Stage

_SECONDS = (2.0, 5.0)


def _answering(answer: Answer) -> Callable[[Stage, int], AbstractContextManager[str]]:
    @contextmanager
    def strike(stage: Stage, _choice: int) -> Iterator[str]:
        stage.receiver.answer = answer
        try:
            yield "the subscriber"
        finally:
            stage.receiver.answer = "take"

    return strike


FAULTS = (
    Fault(Kind("subscriber refuses", "receiver", _SECONDS), _answering("refuse")),
    Fault(Kind("subscriber cuts connections", "receiver", _SECONDS), _answering("cut")),
)
