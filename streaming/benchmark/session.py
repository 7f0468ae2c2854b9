"""A benchmark under way: its contenders, their processes, and what has been measured."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.progress import Progress, TaskID

from betting.config import Config
from betting.runtime.supervisor import Supervisor
from streaming.benchmark.aggregates import Usages, distribution, process_figures
from streaming.benchmark.contenders.base import Contender
from streaming.benchmark.contenders.floor import Floor
from streaming.benchmark.contenders.hardline import Hardline
from streaming.benchmark.contenders.queued import Batched, Naive
from streaming.benchmark.contenders.verification import verify
from streaming.benchmark.plan import CONTENDERS, Plan
from streaming.benchmark.process_metrics import family_usages
from streaming.benchmark.results.document import Curve, Measurement
from streaming.benchmark.waiting import BenchmarkError, wait_until
from valuation.arrays import FloatArray

START_SECONDS = 60.0


@dataclass
class Session:
    """A benchmark under way.

    Attributes:
        config: the configuration, of servers of its own.
        plan: what is measured.
        progress: shows how far it is.
        measurements, curves: what has been measured.
    """

    config: Config
    plan: Plan
    progress: Progress
    measurements: list[Measurement] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)

    def __post_init__(self) -> None:
        everyone: Mapping[str, Contender] = {
            "naive": Naive(self.config),
            "batched": Batched(self.config, Path(self.plan.batches_python)),
            "hardline": Hardline(self.config),
            "floor": Floor(self.config),
        }
        self._contenders = [everyone[name] for name in self.plan.contenders]
        self._parent = os.getppid()
        self._pids: list[int] = []
        self._bar: TaskID = self.progress.add_task("", total=None)

    def in_turn(self, number: int, profile: str) -> list[Contender]:
        """Return the contenders in the order of a round: by the seed, another one each time."""
        order = list(self._contenders)
        random.Random(f"{self.plan.seed} {profile} {number}").shuffle(order)  # noqa: S311 - an order
        return order

    def hardline(self) -> Hardline:
        """Return Hardline alone, for profiles that are about nothing else."""
        return Hardline(self.config)

    def expect(self, profile: str, steps: int) -> None:
        """Begin the progress of a profile."""
        self.progress.reset(self._bar, total=steps, description=profile)

    def step(self, what: str) -> None:
        """Show what is done now, as the next step of the profile.

        Raises:
            BenchmarkError: nobody waits for the result any more.
        """
        self.require_parent()
        self.progress.update(self._bar, advance=1, description=what)

    def require_parent(self) -> None:
        """Verify that the process which cleans up after this one still runs.

        Raises:
            BenchmarkError: it does not.
        """
        if os.getppid() != self._parent:
            raise BenchmarkError("The command that started this benchmark has ended.")

    @contextmanager
    def workers(self, contender: Contender) -> Iterator[None]:
        """Run a contender's processes while the block runs."""
        supervisor = Supervisor([contender.programs()], self.config.home / "logs")
        supervisor.start()
        try:
            # A look is a ping, which waits for its answer.
            what = f"the workers of {contender.name}"
            wait_until(contender.is_ready, what, START_SECONDS, looks_apart=0)
            self._pids = [os.getpid(), *supervisor.pids().values(), *self.plan.servers]
            yield
        finally:
            supervisor.stop()

    def in_order(self) -> list[Measurement]:
        """Return the measurements by profile, case, contender and round, as people read them."""
        cases = list(dict.fromkeys((each.profile, each.case) for each in self.measurements))
        return sorted(
            self.measurements,
            key=lambda each: (
                cases.index((each.profile, each.case)),
                CONTENDERS.index(each.contender),
                each.round,
            ),
        )

    def usage(self) -> Usages:
        """Return the usage of all processes concerned: feeder, workers and servers."""
        return family_usages(self._pids)

    def record(
        self, profile: str, case: str, contender: str, number: int, figures: Mapping[str, float]
    ) -> None:
        """Keep what was measured."""
        self.measurements.append(Measurement(profile, case, contender, number, dict(figures)))

    def wrong_values(self, contender: Contender, prices: FloatArray) -> int:
        """Verify that a contender has done the work, and count its wrong fair prices; see `verify`.

        Args:
            contender: who did it.
            prices: the last prices, computed from the changes alone.
        """
        return verify(contender.name, contender.outcome(), prices, self.config.valuation)


def cpu_seconds(before: Usages, after: Usages) -> float:
    """Return the CPU time between two looks."""
    return process_figures([before, after]).cpu_seconds


def memory_megabytes(usage: Usages) -> float:
    """Return the resident memory of processes; pages that several share are counted in each."""
    return sum(each.memory_bytes for each in usage.values()) / 1_000_000


def latency_figures(latencies_ms: Sequence[float], prefix: str = "") -> dict[str, float]:
    """Return the percentiles of latencies, as figures.

    Args:
        latencies_ms: none if there is nothing to tell.
        prefix: of the figures' keys, by what they begin with.

    >>> latency_figures([4.0, 1.0])
    {'p50_ms': 1.0, 'p95_ms': 4.0, 'p99_ms': 4.0}
    >>> latency_figures([4.0], "taken_")["taken_p50_ms"]
    4.0
    """
    spread = distribution(latencies_ms)
    found = {"p50_ms": spread.p50, "p95_ms": spread.p95, "p99_ms": spread.p99}
    return {prefix + key: value for key, value in found.items() if value is not None}
