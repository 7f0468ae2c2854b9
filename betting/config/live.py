"""The configuration in force: the environment's, with what operators have changed since.

An operator's change is a text, as it would stand in the environment, and is read by the same rules.
`betting.db.live_settings` keeps the changes and brings them here.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from betting.config import schema
from betting.config.env import ConfigError, Variable
from betting.config.schema import Config

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes that operators have made.

    Attributes:
        version: grows with each change; 0 before the first.
        changed_at: when the last change was made.
        values: variable → its text; the others are the environment's.
    """

    version: int = 0
    changed_at: datetime | None = None
    values: Mapping[str, str] = field(default_factory=dict)


class _InForce:
    """The state of this process: the changes, and the configuration with them if there are any.

    One assignment replaces both, as other threads read them.
    """

    state: tuple[Changes, Config | None] = (Changes(), None)


def get_config() -> Config:
    """Return the configuration of this process as it is now: ask for it where it is used."""
    _, config = _InForce.state
    return config or schema.environment_config()


def changes_in_force() -> Changes:
    """Return the changes that `get_config` includes."""
    changes, _ = _InForce.state
    return changes


def live_variables() -> list[Variable]:
    """Return the variables that operators may change while everything runs."""
    return [variable for variable in schema.known_variables() if variable.is_live]


def source_of(variable: Variable) -> str:
    """Return where the value of a live variable comes from."""
    if variable.name in changes_in_force().values:
        return "live"
    return "environment" if os.environ.get(variable.name, "").strip() else "default"


def with_changes(values: Mapping[str, str]) -> Config:
    """Return the environment's configuration with some variables changed.

    Raises:
        ConfigError: a value is not valid, or contradicts another.
    """
    return schema.load({**os.environ, **values})


def bring_into_force(changes: Changes) -> bool:
    """Let `get_config` include these changes, and no others.

    A value that is not valid here, as after an upgrade with narrower limits, is left out and
    logged: one bad value must not keep the others from applying.

    Returns:
        True if the configuration is another than before.
    """
    if changes == changes_in_force():
        return False
    before = get_config()
    _InForce.state = (changes, _tolerant(changes.values) if changes.values else None)
    return get_config() != before


def _tolerant(values: Mapping[str, str]) -> Config:
    try:
        return with_changes(values)
    except ConfigError:
        valid: dict[str, str] = {}
        for name, text in values.items():
            try:
                with_changes({**valid, name: text})
            except ConfigError as error:
                logger.warning("a live setting is ignored: %s", "; ".join(error.problems))
            else:
                valid[name] = text
        return with_changes(valid)
