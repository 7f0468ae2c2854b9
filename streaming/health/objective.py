"""The latency objective: which valuations have to be in time, and how fast misses use it up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streaming.core.health import HealthPolicy, burn_rate
from streaming.core.histogram import above
from streaming.health.counters import Counters
from streaming.health.observations import Work


@dataclass(frozen=True, slots=True)
class Objective:
    """One latency objective.

    Attributes:
        name: its name in texts and metrics.
        triggers: those of the recomputes that it is about.
        bound_ms: the longest time from the commit of a change to that of its value.
        part: the part of the valuations that has to be in time.
    """

    name: str
    triggers: tuple[str, ...]
    bound_ms: float
    part: float

    def latencies(self, counters: Counters) -> list[int]:
        """Return the latencies of all its valuations, as a histogram."""
        return counters.latencies(*self.triggers)

    def judged(self, counters: Counters) -> list[int]:
        """Return the latencies that a check may judge: all but those of a start, as a histogram."""
        pairs = zip(
            self.latencies(counters), counters.startup_latencies(*self.triggers), strict=True
        )
        return [count - startup for count, startup in pairs]

    def late(self, counts: Sequence[int]) -> int:
        """Count the valuations of a histogram that were not in time."""
        return above(counts, self.bound_ms)

    def burn_rates(self, work: Work) -> list[float]:
        """Return how fast misses use it up: over 5 minutes, and over 1 hour."""
        return [self._rate(self.latencies(counters)) for counters in (work.short, work.long)]

    def judged_rates(self, work: Work, needed: int) -> list[float]:
        """Return the burn rates without those of a start, of windows with enough valuations.

        A short window in which nothing was late counts with any number of them: a fault that is
        over would otherwise be judged for an hour wherever valuations are few.
        """
        short, long = (self.judged(counters) for counters in (work.short, work.long))
        is_short_judged = sum(short) >= needed or not self.late(short)
        windows = [*([short] if is_short_judged else []), *([long] if sum(long) >= needed else [])]
        return [self._rate(counts) for counts in windows]

    def _rate(self, counts: Sequence[int]) -> float:
        return burn_rate(self.late(counts), sum(counts), self.part)


def major(policy: HealthPolicy) -> Objective:
    """Return the objective of major moves."""
    return Objective("major", ("major",), policy.major_ms, policy.objective)


def batch(policy: HealthPolicy) -> Objective:
    """Return the objective of all other changes."""
    return Objective("batch", ("first", "batch", "sweep"), policy.batch_ms, policy.objective)
