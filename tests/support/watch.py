"""Health of a stream that is well, under a clock of the test's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from redis import Redis

from betting.config import Config, get_config
from betting.models import Provider
from streaming.health import servers
from streaming.health.servers import record_tick
from streaming.health.snapshots import take_snapshot
from streaming.models import HealthSnapshot
from tests.support import rows

TEN_SECONDS = timedelta(seconds=10)


@dataclass
class Watch:
    """Takes snapshots of a stream; time passes only by its saying.

    Attributes:
        now: the clock.
        provider: the one provider there is.
    """

    now: datetime
    provider: Provider
    config: Config = field(default_factory=get_config)

    def look(self, after: timedelta = TEN_SECONDS) -> HealthSnapshot:
        """A snapshot, some time after the one before."""
        self.now += after
        return take_snapshot(self.config, self.now)

    def keep_alive(self) -> None:
        """What a stream that is well does all the time."""
        record_tick()
        rows.make_poll_run(self.provider, started_at=self.now)
        self.provider.feeds.update(observed_at=self.now)

    def statuses(self, after: timedelta = TEN_SECONDS) -> dict[str, str]:
        """Check → its status, in a new snapshot of a stream that is kept alive."""
        self.now += after
        self.keep_alive()
        snapshot = take_snapshot(self.config, self.now)
        return {name: told["status"] for name, told in snapshot.checks.items()}


@pytest.fixture
def all_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every queue has a worker; tests/integration asks real ones."""
    monkeypatch.setattr(
        servers, "consumers", lambda _seconds: dict.fromkeys(servers.queue_names(), 1)
    )


@pytest.fixture
def watch(redis: Redis, all_workers: None) -> Watch:  # noqa: ARG001 - asks for fixtures
    """A stream in which all is well, and that has been looked at once."""
    provider = rows.make_provider(interval_seconds=30.0)
    rows.make_feed(provider)
    found = Watch(rows.NOON, provider)
    found.keep_alive()
    rows.make_recompute_run(trigger="major", finished_at=found.now, valued=0)
    found.look()
    return found
