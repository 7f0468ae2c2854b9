"""Admin of what is recorded beside the dead letters: actions, counted failures, evictions."""

from __future__ import annotations

from django.contrib import admin

from betting.admin_base.filters import by_choice, by_time
from betting.admin_base.read_only import FactAdmin
from betting.admin_base.unfold_types import badge
from streaming.models import (
    ActionOutcome,
    DeadLetterAction,
    DeadLetterEviction,
    DeadLetterOccurrence,
)


@admin.register(DeadLetterAction)
class DeadLetterActionAdmin(FactAdmin):
    """One row for each action on a letter: by whom, with what outcome. It outlives its letter."""

    list_display = (
        "requested_at",
        "action",
        "task",
        "requested_by",
        "result",
        "error",
        "reason",
    )
    list_filter = (by_choice("action"), by_choice("outcome"), by_time("requested_at"))
    search_fields = ("=task", "=requested_by", "reason")
    fields = (
        ("requested_at", "requested_by"),
        ("action", "task", "letter_id"),
        "reason",
        ("args", "kwargs"),
        ("outcome", "sent_at", "ended_at"),
        "error",
    )
    readonly_fields = ("letter_id",)

    @badge(
        "outcome",
        "outcome",
        {
            ActionOutcome.SUCCEEDED.label: "success",
            ActionOutcome.FAILED.label: "danger",
            ActionOutcome.UNANSWERED.label: "warning",
        },
    )
    def result(self, action: DeadLetterAction) -> str:
        """Return the action's outcome."""
        return action.get_outcome_display()


@admin.register(DeadLetterOccurrence)
class DeadLetterOccurrenceAdmin(FactAdmin):
    """One row for each counted failure, kept for as long as it must not be counted again."""

    list_display = ("seen_at", "kind")
    list_filter = (by_choice("kind"), by_time("seen_at"))
    search_fields = ("=kind",)


@admin.register(DeadLetterEviction)
class DeadLetterEvictionAdmin(FactAdmin):
    """Letters that were evicted because there were too many, by day."""

    ordering = ("-day",)
    list_display = ("day", "letters")
    search_fields = ("=letters",)
