"""Private PostgreSQL and Redis servers from Python wheels, one pair per state directory.

`DATABASE_URL` and `REDIS_URL` each replace one of them. See docs/adr/0003-embedded-servers.md.
"""

from __future__ import annotations

from betting.config import Config
from betting.runtime.embedded.errors import EmbeddedError
from betting.runtime.embedded.secrets import stored_secret
from betting.runtime.embedded.services import (
    Status,
    ensure_running,
    remove_state,
    restart_dead,
    start,
    status,
    stop,
    used,
)
from betting.runtime.embedded.state import prepare_home
from betting.runtime.embedded.urls import (
    broker_url,
    cache_options,
    database_settings,
    direct_settings,
    redis_url,
)

__all__ = [
    "EmbeddedError",
    "Status",
    "broker_url",
    "cache_options",
    "database_settings",
    "direct_settings",
    "ensure_running",
    "prepare_home",
    "redis_url",
    "remove_state",
    "restart_dead",
    "secret_key",
    "start",
    "status",
    "stop",
    "stored_secret",
    "used",
]


def secret_key(config: Config) -> str:
    """Return Django's signing key: the configured one, or the home's own."""
    return config.secret_key or stored_secret(config.home, "secret_key")
