"""Environment variables that may hold the key of a provider."""

from __future__ import annotations

from collections.abc import Container

KEY_PREFIX = "HARDLINE_KEY_"
KEY_VARIABLES_SETTING = "HARDLINE_POLL_KEY_VARIABLES"
SIMULATOR_KEY_ENV = "HARDLINE_SIMULATOR_KEY"


def may_hold_key(name: str, allowed: Container[str] = ()) -> bool:
    """Return True if an environment variable may be sent to a provider as its key.

    A provider's row names the variable. A person who may change the row must not be able to send
    any other secret of the workers to a server of their choice.

    Args:
        name: the variable.
        allowed: those that the installation's environment allows by name.

    >>> may_hold_key("HARDLINE_KEY_ODDS_API"), may_hold_key("DATABASE_URL")
    (True, False)
    """
    return name.startswith(KEY_PREFIX) or name == SIMULATOR_KEY_ENV or name in allowed


def key_variable_advice(name: str) -> str:
    """Say how a key gets into a variable that may hold one."""
    return f"Put the key into {KEY_PREFIX}{name}, or list {name} in {KEY_VARIABLES_SETTING}."
