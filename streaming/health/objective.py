"""The latency objective: which valuations have to be in time, and how fast misses use it up."""

from __future__ import annotations

from collections.abc import Sequence
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

    def judged(self, done: Done) -> list[int]:
        """Those that a check may judge: all but those of a start, as a histogram."""
        pairs = zip(self.latencies(done), done.startup_latencies(*self.triggers), strict=True)
        return [count - startup for count, startup in pairs]

    def late(self, counts: Sequence[int]) -> int:
        """Those of a histogram that were not in time."""
        return above(counts, self.bound_ms)

    def burn_rates(self, work: Work) -> list[float]:
        """How fast misses use it up: over 5 minutes, and over 1 hour."""
        return [self._rate(self.latencies(done)) for done in (work.short, work.long)]

    def judged_rates(self, work: Work, needed: int) -> list[float]:
        """The same without what a start was slow at, of the windows that hold enough valuations."""
        windows = [self.judged(done) for done in (work.short, work.long)]
        return [self._rate(counts) for counts in windows if sum(counts) >= needed]

    def _rate(self, counts: Sequence[int]) -> float:
        return burn_rate(self.late(counts), sum(counts), self.part)


def major(policy: HealthPolicy) -> Objective:
    """Of major moves."""
    return Objective("major", ("major",), policy.major_ms, policy.objective)


def batch(policy: HealthPolicy) -> Objective:
    """Of all other changes."""
    return Objective("batch", ("batch", "sweep"), policy.batch_ms, policy.objective)
