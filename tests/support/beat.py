"""Beat and a worker under a clock of the test's own."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from operator import attrgetter

from betting.config import Config
from betting.timing import TICK_SECONDS
from streaming.polling.poll import claim_due_providers, poll
from streaming.simulator.running import RunningSimulator
from tests.support.polling import EPL, NBA, config_with

BEGINNING = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONFIG = config_with()
WITHOUT_CIRCUITS = replace(CONFIG, circuits_enabled=False)


@dataclass
class Beat:
    """Beat and a worker, in step with a clock that nobody waits for.

    Attributes:
        simulator: what the providers ask.
        config: of the run.
        now: the clock.
        calls: sport → when, in seconds from the beginning, each call for it was made.
    """

    simulator: RunningSimulator
    config: Config = CONFIG
    now: datetime = BEGINNING
    calls: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def run(self, seconds: float) -> None:
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            tick = self.now
            due = claim_due_providers(tick, jitter=0.0)
            for claim in sorted(due, key=attrgetter("wait_seconds")):
                self.now = tick + timedelta(seconds=claim.wait_seconds)
                self._poll(claim.provider_id)
            self.now = tick + timedelta(seconds=TICK_SECONDS)

    def _poll(self, provider_id: int) -> None:
        before = {sport: self.simulator.calls.count(sport) for sport in (EPL, NBA)}
        list(poll(provider_id, self.config, lambda: self.now))
        for sport, count in before.items():
            made = self.simulator.calls.count(sport) - count
            self.calls[sport] += [(self.now - BEGINNING).total_seconds()] * made


def gaps(times: list[float]) -> list[float]:
    """How long each call came after the one before."""
    return [later - earlier for earlier, later in pairwise(times)]
