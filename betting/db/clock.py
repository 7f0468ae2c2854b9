"""The time that all processes share."""

from __future__ import annotations

from datetime import datetime

from betting.db.sql import fetch_all


def database_now() -> datetime:
    """The database's time, which is the same for all workers, whatever their own clocks say."""
    ((now,),) = fetch_all("SELECT clock_timestamp()", {})
    moment: datetime = now
    return moment
