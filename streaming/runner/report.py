"""Reports on how runs ended."""

from __future__ import annotations

import time
from dataclasses import dataclass

from streaming.runner.summary import Mark, RunFacts, run_facts


@dataclass(frozen=True, slots=True)
class RunReport:
    """The report on how a run ended.

    Attributes:
        facts: what happened in it.
        problem: why it did not end as was asked; empty when it did.
    """

    facts: RunFacts
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """A moment, in time and in the tables.

    Attributes:
        since: the newest rows then.
        started_at: on the monotonic clock.
    """

    since: Mark
    started_at: float

    @classmethod
    def start(cls) -> Stopwatch:
        """Start at the present moment."""
        return cls(Mark.now(), time.monotonic())

    def facts(self) -> RunFacts:
        """Return what has happened since."""
        seconds = time.monotonic() - self.started_at
        return run_facts(self.since, seconds)
