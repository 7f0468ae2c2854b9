"""The variables that name servers, for programs that start others on servers of their choice."""

from __future__ import annotations

from betting.config.secret_files import SUFFIX

SERVER_VARIABLES = (
    "DATABASE_URL",
    "DATABASE_SESSION_URL",
    "DATABASE_REPLICA_URL",
    "REDIS_URL",
    "BROKER_URL",
)


def only_servers(**urls: str) -> dict[str, str]:
    """Return the environment that names these servers and no others, by value or by file.

    The rest is set to empty values, so that an .env file does not set it either.

    >>> only_servers(REDIS_URL="redis://cache/0")["DATABASE_URL_FILE"]
    ''
    """
    none = {f"{name}{end}": "" for name in SERVER_VARIABLES for end in ("", SUFFIX)}
    return none | urls
