"""The health of the whole at one moment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from betting.config import Config
from streaming.core.health import Check, Status, overall
from streaming.core.health_score import score, trend
from streaming.core.health_since import with_since
from streaming.core.outlook import Outlook
from streaming.core.weighted_health import WeightedScore, weighted
from streaming.health import servers, starting
from streaming.health.checks import grouped, judge
from streaming.health.deadline import within
from streaming.health.observations import (
    Away,
    Observations,
    Work,
    attempt,
    look,
    look_at_replica,
)
from streaming.health.stream import StreamFacts


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The checks of one moment, and the observations they judged.

    Attributes:
        checks: every check.
        observations: those they judged.
    """

    checks: Sequence[Check]
    observations: Observations

    @property
    def status(self) -> Status:
        """The status of the whole: that of the worst check."""
        return overall(check.status for check in self.checks)

    @property
    def score(self) -> int:
        """The score of the whole, 0 to 100; below 50 where a check fails."""
        return score(grouped(self.checks).values())

    @property
    def weighted(self) -> WeightedScore:
        """The score of the whole weighted by consequence, 0 to 100; nothing acts upon it."""
        return weighted(self.checks)

    @property
    def outlook(self) -> Outlook | None:
        """The burn rates and trends of the newest snapshot; None where that is not known."""
        stream = self.observations.stream
        return None if isinstance(stream, Away) or not stream.earlier else stream.earlier.outlook

    @property
    def unknown(self) -> tuple[str, ...]:
        """The names of the checks that nothing is known of, or not yet."""
        return tuple(
            check.name
            for check in self.checks
            if check.is_starting or check.status is Status.UNKNOWN
        )

    @property
    def trend(self) -> float | None:
        """The score's slope over the past hour, in points an hour; None where that is not known."""
        if isinstance(self.observations.stream, Away):
            return None
        slope = trend(self.observations.stream.scores)
        return None if slope is None else round(slope, 1) + 0.0  # never −0.0

    @property
    def reasons(self) -> tuple[str, ...]:
        """The checks that do not pass, one line each, the worst first."""
        wrong = [check for check in self.checks if check.status is not Status.PASS]
        wrong.sort(key=lambda check: -check.status.severity)
        return tuple(check.line for check in wrong)


def build_report(config: Config) -> HealthReport:
    """Observe everything now, except the workers, which the newest snapshot has observed.

    Never raises because a server is away, and never takes longer than the deadlines of its
    requests.
    """
    asked = attempt(partial(within, config.health.probe_seconds, look))
    redis = attempt(partial(servers.look_at_redis, config))
    stream: StreamFacts | Away
    stream, work = (asked, None) if isinstance(asked, Away) else asked
    observations = _observe(config, stream, redis, work)
    checks = judge(observations, config.health)
    if isinstance(stream, Away):
        return HealthReport(checks, observations)
    dated = with_since(
        checks,
        None if stream.earlier is None else stream.earlier.record,
        stream.now,
        trusted_seconds=config.health.trusted_seconds,
        is_recorded=False,
    )
    return HealthReport(dated, observations)


def _observe(
    config: Config,
    stream: StreamFacts | Away,
    redis: servers.RedisFacts | Away,
    work: Work | None,
) -> Observations:
    earlier = None if isinstance(stream, Away) else stream.earlier
    asked_seconds = None
    if earlier is not None and not isinstance(stream, Away):
        asked_seconds = (stream.now - earlier.taken_at).total_seconds()
    return Observations(
        stream=stream,
        redis=redis,
        work=work,
        workers=None if earlier is None else earlier.workers or None,
        workers_seconds=asked_seconds,
        disk_used=servers.disk_used(config),
        replica=look_at_replica(config.health.probe_seconds),
        running_seconds=starting.running_seconds(),
    )


def summary(report: HealthReport) -> dict[str, Any]:
    """Return what everybody may see, as JSON values of ``application/health+json``."""
    return {"status": report.status.value, "description": "Hardline", "score": report.score}


def details(report: HealthReport) -> dict[str, Any]:
    """Return the whole report, as JSON values of ``application/health+json``."""
    outlook = report.outlook
    return {
        **summary(report),
        "trend": report.trend,
        "weighted": {"score": report.weighted.score, "reason": report.weighted.reason},
        "burnRates": outlook.burn if outlook else {},
        "exhausted": {name: _written(at) for name, at in outlook.exhausted.items()}
        if outlook
        else {},
        "notes": list(report.reasons),
        "checks": {check.name: [described(check)] for check in report.checks},
        "adaptive": _adaptive(report.observations.redis),
    }


def _adaptive(redis: servers.RedisFacts | Away) -> dict[str, Any] | None:
    """Return what adaptive windows decided lately, as JSON values; None where that is not known."""
    counts = None if isinstance(redis, Away) else redis.adaptive
    if counts is None:
        return None
    return {
        "changes": counts.changes,
        "recomputes": counts.recomputes,
        "fixedRecomputes": counts.fixed,
        "meanWaitMs": round(counts.mean_wait_ms, 1),
    }


def described(check: Check) -> dict[str, Any]:
    """Return one check as JSON values."""
    warn, fail = (value if math.isfinite(value) else None for value in check.thresholds)
    return {
        "status": check.status.value,
        "observedValue": None if check.observed is None else round(check.observed, 4),
        "observedUnit": check.unit,
        "warnFrom": warn,
        "failFrom": fail,
        "since": _written(check.since),
        "sinceAtLeast": check.may_be_earlier,
        "output": check.detail,
        "links": {"runbook": check.runbook},
    }


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
