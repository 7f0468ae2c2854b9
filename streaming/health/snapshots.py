"""Snapshots of the health of the whole, every few seconds, and notifications of its changes."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

from betting.config import Config
from streaming.core.health import Check, Status
from streaming.core.health_since import has_changed, with_since
from streaming.core.notifications import HealthChanged
from streaming.core.outlook import written
from streaming.health import outlook, servers, starting
from streaming.health.checks import judge
from streaming.health.counters import SETTLE_SECONDS, Counters, advanced
from streaming.health.observations import (
    Away,
    Observations,
    attempt,
    look_at_replica,
    look_at_work,
)
from streaming.health.report import HealthReport, described
from streaming.health.servers import RedisFacts
from streaming.health.stream import Earlier, StreamFacts, look_at_stream
from streaming.models import HealthSnapshot
from streaming.notifications import bus
from valuation.models import Edge

logger = logging.getLogger(__name__)


def take_snapshot(config: Config, now: datetime | None = None) -> HealthSnapshot:
    """Observe everything, store the result, and notify of what has changed.

    Two at once each continue from the previous snapshot: neither counts anything twice.

    Args:
        config: the configuration.
        now: the time to judge by; by default the database's.

    Raises:
        django.db.Error: the database does not answer, and nothing can be kept.
    """
    stream = look_at_stream(now)
    observations, counted = _observe(stream, config)
    checks = with_since(
        judge(observations, config.health),
        None if stream.earlier is None else stream.earlier.record,
        stream.now,
        trusted_seconds=config.health.trusted_seconds,
        is_recorded=True,
    )
    report = HealthReport(checks, observations)
    snapshot = HealthSnapshot.objects.create(
        taken_at=stream.now,
        status=report.status.value,
        score=report.score,
        checks={check.name: _kept(check) for check in report.checks},
        workers=dict(observations.workers or {}),
        edges_open=Edge.objects.filter(closed_at=None).count(),
        counted_until=counted.counted_until,
        totals=counted.counters.totals,
        hints_dropped=counted.hints_dropped,
        outlook=written(outlook.assess(checks, observations, counted, config.health)),
    )
    _publish_change(report, stream.earlier)
    return snapshot


def _observe(stream: StreamFacts, config: Config) -> tuple[Observations, Earlier]:
    """Return all observations, and the totals up to now."""
    redis = attempt(partial(servers.look_at_redis, config))
    workers = attempt(partial(servers.consumers, config.health.probe_seconds))
    running_seconds = starting.running_seconds()
    # The totals end `SETTLE_SECONDS` ago: this long after the start of this process, if positive.
    start_seconds = running_seconds - SETTLE_SECONDS
    is_startup = 0 < start_seconds <= config.health.starting_seconds
    counted = _counted(stream, redis, is_startup=is_startup)
    observations = Observations(
        stream=stream,
        redis=redis,
        work=look_at_work(counted),
        workers=None if isinstance(workers, Away) else workers,
        workers_seconds=0.0,
        disk_used=servers.disk_used(config),
        replica=look_at_replica(config.health.probe_seconds),
        running_seconds=running_seconds,
    )
    return observations, counted


def _counted(stream: StreamFacts, redis: RedisFacts | Away, *, is_startup: bool) -> Earlier:
    """Return the newest snapshot, with its totals brought up to now.

    Args:
        stream: the observations of the database.
        redis: the observations of Redis.
        is_startup: True where what is counted now was done while the system started.
    """
    until = stream.now - timedelta(seconds=SETTLE_SECONDS)
    before = stream.earlier or Earlier(
        stream.now, Status.UNKNOWN, {}, {}, until, Counters({}), _dropped(redis, 0)
    )
    until = max(until, before.counted_until)
    totals = advanced(before.counters.totals, before.counted_until, until, is_startup=is_startup)
    dropped = _dropped(redis, before.hints_dropped)
    # A Redis that was set up again counts from 0.
    more = dropped - before.hints_dropped if dropped >= before.hints_dropped else dropped
    totals["hints_dropped:"] = totals.get("hints_dropped:", 0) + more
    return Earlier(
        before.taken_at,
        before.status,
        before.checks,
        before.workers,
        until,
        Counters(totals),
        dropped,
    )


def _dropped(redis: RedisFacts | Away, known: int) -> int:
    return known if isinstance(redis, Away) else redis.hints_dropped


def _kept(check: Check) -> dict[str, object]:
    kept = described(check)
    del kept["links"]  # the same in every snapshot
    return kept


def _publish_change(report: HealthReport, earlier: Earlier | None) -> None:
    """Log what has changed since the previous snapshot, and notify of it.

    No notification is sent while the broker itself is away or full: that must not become another
    failure.
    """
    if not has_changed(report.checks, None if earlier is None else earlier.record):
        return
    previous = Status.UNKNOWN if earlier is None else earlier.status
    level = logging.INFO if report.status is Status.PASS else logging.WARNING
    logger.log(
        level, "health is %s, was %s: %s", report.status.value, previous.value,
        "; ".join(report.reasons) or "all is well",
    )  # fmt: skip
    if bus.is_wanted("health.changed") and not isinstance(report.observations.stream, Away):
        changed = HealthChanged(
            id=uuid4(),
            occurred_at=report.observations.stream.now,
            status=report.status.value,
            previous=previous.value,
            reasons=report.reasons,
        )
        bus.announce(changed)
