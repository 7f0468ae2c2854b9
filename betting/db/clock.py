"""The time that all processes share."""

from __future__ import annotations

from datetime import datetime

from betting.db.sql import fetch_all


def database_now() -> datetime:
    """Return the database's time, which is the same for all workers even if their clocks differ."""
    ((now,),) = fetch_all("SELECT clock_timestamp()", {})
    moment: datetime = now
    return moment
