"""Faults of the providers: errors, refusals, silence, answers that are cut short."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from streaming.chaos.faults.base import Fault
from streaming.chaos.plan import Kind
from streaming.chaos.stage import Stage
from streaming.simulator.faults import EVERY_SPORT, FaultKind, FaultRule

_SECONDS = (2.0, 5.0)
_RETRY_AFTER_SECONDS = 3


def _failing(
    kind: FaultKind, rate: float = 1.0
) -> Callable[[Stage, int], AbstractContextManager[str]]:
    rule = FaultRule(EVERY_SPORT, kind, rate, retry_after_seconds=_RETRY_AFTER_SECONDS)

    @contextmanager
    def strike(stage: Stage, choice: int) -> Iterator[str]:
        names = sorted(stage.feeds.servers)
        # One of the two, or both.
        victims = [[name] for name in names] + [names]
        struck = victims[choice % len(victims)]
        for name in struck:
            stage.feeds.servers[name].faults.put(rule)
        try:
            yield " and ".join(struck)
        finally:
            for name in struck:
                stage.feeds.servers[name].faults.clear()

    return strike


FAULTS = (
    Fault(Kind("provider answers 503", "provider", _SECONDS), _failing("503")),
    Fault(Kind("provider answers 429", "provider", _SECONDS), _failing("429")),
    Fault(Kind("provider hangs", "provider", _SECONDS), _failing("hang")),
    Fault(Kind("provider cuts bodies", "provider", _SECONDS), _failing("truncated")),
    Fault(Kind("provider resets one in five", "provider", _SECONDS), _failing("reset", 0.2)),
)
