"""Admin of polls."""

from __future__ import annotations

from django.contrib import admin

from betting.admin_base import formatting
from betting.admin_base.filters import by_choice, by_related, by_time, by_value
from betting.admin_base.read_only import FactAdmin
from betting.admin_base.unfold_types import badge, number
from streaming.models import PollOutcome, PollRun


@admin.register(PollRun)
class PollRunAdmin(FactAdmin):
    """One row for each request of a poll, newest first."""

    list_display = (
        "since",
        "provider",
        "feed",
        "result",
        "http",
        "took",
        "quotes",
        "changes",
        "unread",
        "failure",
    )
    list_filter = (
        by_related("provider"),
        by_choice("outcome"),
        by_value("failure_kind"),
        by_time("started_at"),
    )
    search_fields = ("=provider__key", "feed", "=failure_code", "failure_message")
    list_select_related = ("provider",)

    @admin.display(description="started", ordering="started_at")
    def since(self, run: PollRun) -> str:
        """Return when the request was made."""
        return formatting.moment(run.started_at)

    @number
    @admin.display(description="HTTP", ordering="http_status")
    def http(self, run: PollRun) -> int | None:
        """Return the status of the answer."""
        return run.http_status

    @number
    @admin.display(description="quotes", ordering="quotes_seen")
    def quotes(self, run: PollRun) -> int:
        """Return the number of quotes in the answer."""
        return run.quotes_seen

    @admin.display(description="failure", ordering="failure_code")
    def failure(self, run: PollRun) -> str:
        """Return the code of what went wrong, in words."""
        return run.failure_code.replace("_", " ")

    @badge(
        "outcome",
        "outcome",
        {
            PollOutcome.OK.label: "success",
            PollOutcome.FAILED.label: "danger",
            PollOutcome.REFUSED.label: "warning",
            PollOutcome.PAGE.label: "success",
        },
    )
    def result(self, run: PollRun) -> str:
        """Return the poll's outcome."""
        return run.get_outcome_display()

    @admin.display(description="left out", ordering="left_out")
    def unread(self, run: PollRun) -> str:
        """Return the number of records that could not be read, by reason."""
        return ", ".join(f"{each['count']} {each['reason']}" for each in run.left_out_reasons)

    @number
    @admin.display(description="took", ordering="duration_ms")
    def took(self, run: PollRun) -> str:
        """Return the time from the request to the commit."""
        return formatting.milliseconds(run.duration_ms)
