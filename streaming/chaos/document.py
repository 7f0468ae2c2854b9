"""The results of a run of chaos, seed by seed."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import structs

from streaming.benchmark.results.document import Machine
from streaming.chaos.comparison import Difference


class Happening(msgspec.Struct, frozen=True):
    """A line of a seed's timeline.

    Attributes:
        at_seconds: from the seed's start.
        text: what happened.
    """

    at_seconds: float
    text: str


class SeedResult(msgspec.Struct, frozen=True):
    """The result of one seed.

    Attributes:
        seed: the seed.
        faults: the names of its faults, in the order in which they ended.
        timeline: what happened, in order.
        recovery_seconds: from the end of its last fault until no market was behind and every
            provider had answered again; None if that did not come.
        rows: how many were compared.
        differences: rows that differ from those of the undisturbed reading.
        letters: how many dead letters there were, by kind, task and status.
        waiting: letters that wait for a person although their work repeats by itself.
        restarts: how often each process and server was started again.
        seconds: how long it took in all.
        problem: why it came to no comparison; empty where it did.
        unsound: what is wrong with its letters and deliveries, in words.
        deliveries: how many the subscriber took.
        repeated: how many of them it had taken before.
    """

    seed: int
    faults: tuple[str, ...]
    timeline: tuple[Happening, ...]
    recovery_seconds: float | None
    rows: int
    differences: tuple[Difference, ...]
    letters: dict[str, int]
    waiting: tuple[str, ...]
    restarts: dict[str, int]
    seconds: float
    problem: str = ""
    unsound: tuple[str, ...] = ()
    deliveries: int = 0
    repeated: int = 0

    @property
    def has_failed(self) -> bool:
        """True if something was lost, or did not recover."""
        return bool(self.problem or self.differences or self.waiting or self.unsound)


class ChaosResult(msgspec.Struct, frozen=True):
    """The result of all seeds.

    Attributes:
        market_seed: of the simulated market.
        machine: what it ran on.
        made_at: when it ended.
        seeds: each one's result.
        left_over: processes that were still there after the end.
    """

    market_seed: int
    machine: Machine
    made_at: datetime
    seeds: tuple[SeedResult, ...]
    left_over: tuple[str, ...] = ()

    def after(self, earlier: ChaosResult) -> ChaosResult:
        """Return this result with the seeds of an earlier one that were not played again."""
        own = {each.seed for each in self.seeds}
        kept = [each for each in earlier.seeds if each.seed not in own]
        return structs.replace(
            self,
            seeds=(*kept, *self.seeds),
            left_over=(*earlier.left_over, *self.left_over),
        )

    @property
    def failed(self) -> list[int]:
        """The seeds that failed."""
        return [each.seed for each in self.seeds if each.has_failed]
