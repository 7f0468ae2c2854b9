"""Reports on how runs ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from betting.db.outages import OUTAGES
from streaming.health.deadline import DeadlineError, end_idle_threads, within
from streaming.runner.summary import Mark, RunFacts, run_facts

FACTS_SECONDS = 10.0
"""The longest wait for the figures of a run at its end."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """The report on how a run ended.

    Attributes:
        facts: what happened in it; None if that could not be read at its end.
        problem: why it did not end as was asked; empty when it did.
    """

    facts: RunFacts | None
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


def final_report(facts: Callable[[], RunFacts], problem: Callable[[], str] = str) -> RunReport:
    """Read how a run ended, but do not wait for long: PostgreSQL may stand still, or be away.

    Args:
        facts: reads what happened.
        problem: reads why the run did not end as was asked; empty when it did.
    """
    try:
        return within(FACTS_SECONDS, lambda: RunReport(facts(), problem()))
    except (DeadlineError, *OUTAGES) as error:
        first, *_ = str(error).splitlines() or [type(error).__name__]
        return RunReport(None, f"The figures of the run cannot be read from PostgreSQL: {first}")
    finally:
        end_idle_threads()
