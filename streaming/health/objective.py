"""The latency objective: which valuations have to be in time, and how fast misses use it up."""

from __future__ import annotations

from dataclasses import dataclass

from streaming.core.health import HealthPolicy, burn_rate
from streaming.core.histogram import above
from streaming.health.seen import Work
from streaming.health.totals import Done


@dataclass(frozen=True, slots=True)
class Objective:
    """What has to be in time.

    Attributes:
        name: a word for it.
        triggers: of the recomputes that it is about.
        bound_ms: in time, from the commit of a change to that of its value.
        part: the part of them that has to be.
    """

    name: str
    triggers: tuple[str, ...]
    bound_ms: float
    part: float

    def latencies(self, done: Done) -> list[int]:
        """All of them, as a histogram."""
        return done.latencies(*self.triggers)

    def late(self, done: Done) -> int:
        """Those that were not in time."""
        return above(self.latencies(done), self.bound_ms)

    def burn_rates(self, work: Work) -> list[float]:
        """How fast misses use it up: over 5 minutes, and over 1 hour."""
        return [
            burn_rate(self.late(done), sum(self.latencies(done)), self.part)
            for done in (work.short, work.long)
        ]


def major(policy: HealthPolicy) -> Objective:
    """Of major moves."""
    return Objective("major", ("major",), policy.major_ms, policy.objective)


def batch(policy: HealthPolicy) -> Objective:
    """Of all other changes."""
    return Objective("batch", ("batch", "sweep"), policy.batch_ms, policy.objective)
