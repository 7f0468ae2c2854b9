"""The interface of a contender."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from betting.runtime.supervisor import Program
from streaming.benchmark.workload import Burst
from valuation.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class Outcome:
    """The state that a contender has left in its tables.

    Attributes:
        prices: the last price of each quote, shape (markets, books, outcomes).
        probabilities: the fair prices, shape (markets, outcomes); NaN where there is none.
        valued_at: when each market was last valued, seconds by the database's clock.
    """

    prices: FloatArray
    probabilities: FloatArray
    valued_at: FloatArray


@dataclass(frozen=True, slots=True)
class Counts:
    """The work that a contender has done since the markets were laid.

    Attributes:
        recomputes: valuations of a market that were asked for.
        history: rows of history.
    """

    recomputes: int
    history: int


class Contender(ABC):
    """One way to turn arriving changes into committed fair prices."""

    name: ClassVar[str]
    most_changes: ClassVar[int] = 1_000_000
    """The largest burst that does not take minutes."""
    rest_seconds: ClassVar[float] = 0.05
    """The wait after which nothing of earlier work is left."""

    @abstractmethod
    def programs(self) -> Sequence[Program]:
        """Return the worker processes that it needs."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Return True if all its workers answer."""

    @abstractmethod
    def lay(self, opening: FloatArray) -> None:
        """Empty its tables, then write markets with these prices and their values."""

    @abstractmethod
    def prepare(self, burst: Burst, now: FloatArray) -> Callable[[], None]:
        """Return what hands a burst over, in the form in which it arrives.

        Args:
            burst: what changes.
            now: the prices before it.
        """

    @abstractmethod
    def is_done(self) -> bool:
        """Return True if everything that was handed over is valued and committed."""

    @abstractmethod
    def outcome(self) -> Outcome:
        """Read what is in the tables."""

    @abstractmethod
    def counts(self) -> Counts:
        """Count what it has done."""
