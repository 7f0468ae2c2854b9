"""Faults of the providers: errors, refusals, silence, answers that are cut short."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from streaming.chaos.faults.base import Fault
from streaming.chaos.plan import Kind
from streaming.chaos.stage import Stage
from streaming.simulator.faults import EVERY_SPORT, KINDS, FaultKind, FaultRule

_SECONDS = (2.0, 5.0)
_RETRY_AFTER_SECONDS = 3
_UNTIL_A_PERSON_ACTS = {"401", "403", "404", "out_of_credits"}
"""Faults after which a provider is not asked again for long, even if it is well."""


def _failing(
    *kinds: FaultKind, rate: float = 1.0
) -> Callable[[Stage, int], AbstractContextManager[str]]:
    rules = [
        FaultRule(EVERY_SPORT, kind, rate, retry_after_seconds=_RETRY_AFTER_SECONDS)
        for kind in kinds
    ]

    @contextmanager
    def strike(stage: Stage, choice: int) -> Iterator[str]:
        names = sorted(stage.feeds.servers)
        # One of the two, or both.
        victims = [[name] for name in names] + [names]
        struck = victims[choice % len(victims)]
        for name in struck:
            for rule in rules:
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
    Fault(Kind("provider resets one in five", "provider", _SECONDS), _failing("reset", rate=0.2)),
    Fault(
        Kind(
            "provider has every fault, each one in five",
            "provider",
            (4.0, 6.0),
            leaves_letters=True,
        ),
        _failing(*(kind for kind in KINDS if kind not in _UNTIL_A_PERSON_ACTS), rate=0.2),
    ),
)
