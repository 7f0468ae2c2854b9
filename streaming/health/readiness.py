"""Readiness of this process: its servers answer, and the schema is the code's."""

from __future__ import annotations

from functools import cache, partial

from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from betting.config import Config
from streaming.health import servers
from streaming.health.deadline import within
from streaming.health.observations import Away, attempt


def unready(config: Config) -> list[str]:
    """Return why this process is not ready; empty when it is."""
    missing = attempt(partial(within, config.health.probe_seconds, _missing_migrations))
    redis = attempt(partial(servers.look_at_redis, config))
    reasons = []
    if isinstance(missing, Away):
        reasons.append(f"PostgreSQL: {missing.reason}")
    elif missing:
        reasons.append(f"migrations are not applied: {', '.join(missing)}")
    if isinstance(redis, Away):
        reasons.append(f"Redis: {redis.reason}")
    return reasons


def _missing_migrations() -> list[str]:
    applied = MigrationRecorder(connection).applied_migrations()
    return sorted(f"{app}.{name}" for app, name in _migrations() - applied.keys())


@cache
def _migrations() -> frozenset[tuple[str, str]]:
    """Return the migrations that the code has; they do not change while a process runs."""
    return frozenset(MigrationLoader(None).disk_migrations)
