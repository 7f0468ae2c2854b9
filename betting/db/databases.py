"""Django's DATABASES: the server of the configuration, and how its connections are kept."""

from __future__ import annotations

from typing import Any

from betting.config import Config
from betting.db.sessions import LIMITS, SESSIONS
from betting.runtime.embedded.urls import (
    database_settings,
    direct_settings,
    parse_database_url,
)

REPLICA = "replica"

_REPLICA_CONNECT_SECONDS = 2
"""A reader waits no longer for a replica that is away: the primary can answer."""


def databases(config: Config) -> dict[str, dict[str, Any]]:
    """Return the databases by alias: `default`, past its pooler `SESSIONS`, and `REPLICA`."""
    found = _of_primary(config)
    if config.database_replica_url is not None:
        replica = parse_database_url(config.database_replica_url)
        limits = {**_limits(), "connect_timeout": _REPLICA_CONNECT_SECONDS}
        # Tests of the product do not make another database of the same name there.
        found[REPLICA] = {**_kept(replica, **limits), "TEST": {"MIRROR": "default"}}
    return found


def _of_primary(config: Config) -> dict[str, dict[str, Any]]:
    server = database_settings(config)
    if config.database_session_url is None:
        return {"default": _kept(server, **_limits())}
    return {
        # A server-side cursor without a transaction needs a session.
        "default": {**_kept(server), "DISABLE_SERVER_SIDE_CURSORS": True},
        SESSIONS: _kept(direct_settings(config), **_limits()),
    }


def _limits() -> dict[str, Any]:
    return {"options": " ".join(f"-c {name}={value}" for name, value in LIMITS.items())}


def _kept(server: dict[str, Any], **options: object) -> dict[str, Any]:
    """Return a server's settings, with connections that are kept and notice that it is away."""
    return {
        **server,
        "OPTIONS": {
            "connect_timeout": 5,
            # These detect a server that no longer answers; libpq ignores them on a Unix socket.
            "tcp_user_timeout": 10_000,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            **options,
            **server.get("OPTIONS", {}),
        },
        # One connection per thread or pool process is kept: a new PostgreSQL backend for every
        # task would cost more than the task. `betting.db.connections` keeps Celery from closing it.
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
    }
