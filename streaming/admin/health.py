"""Admin of health snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.utils.formats import date_format
from django.utils.timezone import localtime

from betting.admin_base.filters import by_choice, by_time
from betting.admin_base.read_only import FactAdmin, Table, TablesMixin
from betting.admin_base.unfold_types import Colour, badge
from streaming.models import HealthSnapshot, HealthStatus

COLOURS: Mapping[str, Colour] = {
    HealthStatus.PASS: "success",
    HealthStatus.WARN: "warning",
    HealthStatus.UNKNOWN: "info",
    HealthStatus.FAIL: "danger",
}


@admin.register(HealthSnapshot)
class HealthSnapshotAdmin(TablesMixin, FactAdmin):
    """One row every few seconds, newest first."""

    list_display = ("taken_at", "shown_status", "score", "wrong")
    list_filter = (by_choice("status"), by_time("taken_at"))
    search_fields = ("=status",)
    fields = ("taken_at", "status", "score", "counted_until")

    @badge("status", "status", COLOURS)
    def shown_status(self, row: HealthSnapshot) -> str:
        """Return the status of the whole."""
        return row.status

    @admin.display(description="not well")
    def wrong(self, row: HealthSnapshot) -> str:
        """Return the names of the checks that did not pass."""
        return ", ".join(
            name.replace("_", " ") for name, told in row.checks.items() if told["status"] != "pass"
        )

    def tables(self, row: HealthSnapshot) -> list[Table]:
        """Return every check as it was at the time."""
        checks = [
            (name.replace("_", " "), told["status"], told["output"], _since(told))
            for name, told in row.checks.items()
        ]
        return [Table("Checks", ("check", "status", "observed", "since"), checks)]


def _since(told: Mapping[str, Any]) -> str:
    moment = date_format(localtime(datetime.fromisoformat(told["since"])), "DATETIME_FORMAT")
    return f"{moment}{' or earlier' if told.get('sinceAtLeast') else ''}"
