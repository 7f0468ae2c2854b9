"""Live settings: their changes in the database, and how every process follows them.

A process that serves or works looks once when it begins and every `FOLLOW_SECONDS` from then on, in
a thread of its own, so that neither a request nor a probe waits for it. A valuation additionally
asks `is_current`, so that none is written by rules that had been changed when it read its quotes.
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import suppress
from datetime import datetime

from django.db import connection, transaction

from betting.config.live import (
    Changes,
    bring_into_force,
    changes_in_force,
    live_variables,
    with_changes,
)
from betting.db.advisory_locks import LIVE_SETTINGS
from betting.db.outages import OUTAGES
from betting.db.sql import fetch_all
from betting.models import SettingChange

logger = logging.getLogger(__name__)

FOLLOW_SECONDS = 2.0

_REFRESHING = threading.Lock()


class UnknownSettingError(Exception):
    """The variable does not exist, or may not be changed while everything runs."""


class _Following:
    """The process that follows, until it ends; a fork does not inherit its parent's thread."""

    pid: int | None = None
    ends = threading.Event()


def follow() -> None:
    """Bring the changes into force now, and then again and again; once in each process.

    While the database is away, the configuration stays as it was.
    """
    if _Following.pid == os.getpid():
        return
    _Following.pid = os.getpid()
    with suppress(*OUTAGES):
        refresh()
    threading.Thread(target=_keep_following, name="live settings", daemon=True).start()


def _keep_following() -> None:
    while not _Following.ends.wait(FOLLOW_SECONDS):
        try:
            if refresh():
                logger.info("live settings are in force: version %d", changes_in_force().version)
        except OUTAGES:
            pass  # the checks of the database say so
        except Exception:
            logger.exception("the live settings cannot be read")
        finally:
            connection.close()


def refresh() -> bool:
    """Bring the changes into force that are in the database.

    One thread at a time: changes that were read earlier must not replace those read later.

    Returns:
        True if the configuration is another than before.
    """
    with _REFRESHING:
        return bring_into_force(stored())


def stored() -> Changes:
    """Return the changes in the database."""
    rows = fetch_all(_NEWEST, {})
    version: int = max((pk for pk, *_ in rows), default=0)
    changed_at: datetime | None = max((at for *_, at in rows), default=None)
    return Changes(version, changed_at, {name: value for _, name, value, _ in rows if value})


def is_current() -> bool:
    """Return True if this process has the newest change."""
    ((version,),) = fetch_all("SELECT COALESCE(max(id), 0) FROM betting_settingchange", {})
    return bool(version == changes_in_force().version)


def change(name: str, value: str, by: str, reason: str = "") -> SettingChange:
    """Change a live setting, in all processes within seconds.

    Args:
        name: the environment variable.
        value: its text, as in the environment; empty for the environment's own value.
        by: who changes it.
        reason: why, in a few words.

    Raises:
        UnknownSettingError: there is no such live setting.
        ConfigError: the value is not valid, or contradicts another.
    """
    if name not in {variable.name for variable in live_variables()}:
        raise UnknownSettingError(name)
    with transaction.atomic():
        # One at a time: two changes that are valid alone may contradict each other.
        fetch_all("SELECT pg_advisory_xact_lock(%(lock)s)", {"lock": LIVE_SETTINGS})
        values = dict(stored().values)
        values.pop(name, None)
        with_changes({**values, name: value} if value else values)
        made = SettingChange.objects.create(name=name, value=value, changed_by=by, reason=reason)
    refresh()
    return made


_NEWEST = """
SELECT DISTINCT ON (name) id, name, value, changed_at FROM betting_settingchange
ORDER BY name, id DESC
"""
