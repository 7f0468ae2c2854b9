"""Faults of the machine that a worker runs on: its clock is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from streaming.chaos import clocks
from streaming.chaos.faults.base import Fault
from streaming.chaos.plan import Kind
from streaming.chaos.stage import Stage

_WRONG_BY_SECONDS = 60


def _clock_off(seconds: int) -> Callable[[Stage, int], AbstractContextManager[str]]:
    @contextmanager
    def strike(stage: Stage, choice: int) -> Iterator[str]:
        worker = clocks.WORKERS[choice % len(clocks.WORKERS)]
        if clocks.library() is None:
            yield "nothing, as libfaketime is not installed"
            return
        with clocks.shifted(stage.config.home, worker, seconds):
            yield worker

    return strike


FAULTS = (
    Fault(Kind("clock a minute ahead", "clock", (3.0, 6.0)), _clock_off(_WRONG_BY_SECONDS)),
    Fault(Kind("clock a minute behind", "clock", (3.0, 6.0)), _clock_off(-_WRONG_BY_SECONDS)),
)
