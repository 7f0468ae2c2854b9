"""Admin of dead letters: inspecting, replaying and discarding them."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from unfold.contrib.filters.admin import RangeDateTimeFilter

from betting.admin_base.action_forms import ask_reason, question
from betting.admin_base.formatting import link
from betting.admin_base.read_only import FactAdmin, Table, TablesMixin
from betting.admin_base.unfold_types import badge
from streaming.dead_letters import replay
from streaming.dead_letters.replay import with_last_replay
from streaming.forms.dead_letter import ArgumentsForm
from streaming.models import (
    ActionOutcome,
    DeadLetter,
    DeadLetterAction,
    DeadLetterEviction,
    DeadLetterOccurrence,
    LetterStatus,
)

ACTIONS_SHOWN = 20


@admin.register(DeadLetter)
class DeadLetterAdmin(TablesMixin, FactAdmin):
    """Work that failed for good, the most recently seen first."""

    ordering = ("-last_seen", "-id")
    list_display = (
        "last_seen",
        "what",
        "kind",
        "state",
        "replay_end",
        "provider",
        "feed",
        "count",
        "queue",
        "exception",
        "words",
        "fingerprint",
    )
    list_filter = (
        "status",
        "kind",
        "task",
        "queue",
        "provider",
        ("last_seen", RangeDateTimeFilter),
    )
    search_fields = (
        "=fingerprint",
        "=sentry_event_id",
        "=task",
        "=task_id",
        "exception",
        "message",
        "feed",
    )
    actions = ("replay", "replay_edited", "discard")
    fields = (
        ("kind", "status", "discard_reason"),
        "replay_end",
        ("task", "queue", "is_complete"),
        ("provider", "feed"),
        "arguments",
        ("exception", "fingerprint", "sentry_event_id"),
        "message",
        "trace",
        "content",
        ("count", "first_seen", "last_seen"),
        ("worker", "task_id", "retries"),
    )
    readonly_fields = ("arguments", "trace", "content", "replay_end")

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeadLetter]:
        """Add how the latest replay ended; leave the large columns out of the list."""
        rows = with_last_replay(super().get_queryset(request))
        match = request.resolver_match
        is_list = match is not None and str(match.url_name).endswith("_changelist")
        return rows.defer("args", "kwargs", "traceback", "body") if is_list else rows

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Return True for users who may change letters: they may also replay or discard them."""
        return request.user.has_perm("streaming.change_deadletter")

    @admin.action(description="Replay", permissions=["decide"])
    def replay(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> None:
        """Request a replay of each letter, sent at the configured rate."""
        chosen = letters.count()
        asked = replay.request_replays(_plain(letters), request.user.get_username())
        left = chosen - asked
        words = f"{asked} will be replayed"
        if left:
            words += (
                f"; {left} not: being replayed already, without a task, or without all of the"
                " arguments (replay those one by one, edited)"
            )
        self.message_user(request, words, messages.WARNING if left else messages.SUCCESS)

    @admin.action(description="Replay with other arguments …", permissions=["decide"])
    def replay_edited(
        self, request: HttpRequest, letters: QuerySet[DeadLetter]
    ) -> TemplateResponse | None:
        """Request a replay of one letter with arguments that a person enters."""
        title = "Replay with these"
        chosen = list(_plain(letters)[:2])
        if len(chosen) != 1:
            self.message_user(request, "Edited arguments are for one letter.", messages.ERROR)
            return None
        (letter,) = chosen
        was_asked = "edited_args" in request.POST
        form = ArgumentsForm(letter, request.POST if was_asked else None)
        if not (was_asked and form.is_valid()):
            return question(self, request, letters, title, form)
        if replay.request_replay(letter.pk, request.user.get_username(), form.edited()):
            self.message_user(request, "1 will be replayed, edited", messages.SUCCESS)
        else:
            self.message_user(request, "It is being replayed already.", messages.WARNING)
        return None

    @admin.action(description="Discard …", permissions=["decide"])
    def discard(
        self, request: HttpRequest, letters: QuerySet[DeadLetter]
    ) -> TemplateResponse | None:
        """Discard the letters: their work is given up."""
        reason = ask_reason(self, request, letters, "Discard")
        if isinstance(reason, TemplateResponse):
            return reason
        count = replay.discard(_plain(letters), request.user.get_username(), reason)
        self.message_user(request, f"{count} discarded", messages.SUCCESS)
        return None

    @admin.display(description="work", ordering="task")
    def what(self, letter: DeadLetter) -> str:
        """Return the letter's task, or that there is none."""
        return letter.task or "(no task)"

    @badge(
        "status",
        "status",
        {
            LetterStatus.NEW.label: "danger",
            LetterStatus.REPLAYING.label: "info",
            LetterStatus.REPLAYED.label: "success",
        },
    )
    def state(self, letter: DeadLetter) -> str:
        """Return the letter's status."""
        return letter.get_status_display()

    @admin.display(description="last replay")
    def replay_end(self, letter: DeadLetter) -> str:
        """Return how the latest replay ended, when, and with which error."""
        return letter.last_replay

    @admin.display(description="message")
    def words(self, letter: DeadLetter) -> str:
        """Return the beginning of the exception's message."""
        return letter.message[:100]

    @admin.display(description="arguments")
    def arguments(self, letter: DeadLetter) -> str:
        """Return the arguments of the task."""
        return json.dumps({"args": letter.args, "kwargs": letter.kwargs}, indent=2)

    @admin.display(description="traceback")
    def trace(self, letter: DeadLetter) -> str:
        """Return the traceback as it was recorded."""
        return letter.traceback

    @admin.display(description="body")
    def content(self, letter: DeadLetter) -> str:
        """Return the message's body, if the message could not be read."""
        return letter.body

    def tables(self, row: DeadLetter) -> list[Table]:
        """Return the actions on the letter."""
        actions = row.actions.order_by("-id")[:ACTIONS_SHOWN]
        return [
            Table(
                "Actions",
                ("requested", "action", "by", "outcome", "ended", "error"),
                [
                    (
                        link(action, action.requested_at),
                        action.get_action_display(),
                        action.requested_by,
                        action.get_outcome_display(),
                        action.ended_at,
                        action.error,
                    )
                    for action in actions
                ],
                note=f"The newest {ACTIONS_SHOWN}.",
            )
        ]


@admin.register(DeadLetterAction)
class DeadLetterActionAdmin(FactAdmin):
    """One row for each action on a letter: by whom, with what outcome. It outlives its letter."""

    list_display = (
        "requested_at",
        "action",
        "task",
        "letter_id",
        "requested_by",
        "result",
        "error",
        "reason",
    )
    list_filter = ("action", "outcome", ("requested_at", RangeDateTimeFilter))
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

    list_display = ("seen_at", "kind", "end")
    list_filter = ("kind", ("seen_at", RangeDateTimeFilter))
    search_fields = ("=kind",)


@admin.register(DeadLetterEviction)
class DeadLetterEvictionAdmin(FactAdmin):
    """Letters that were evicted because there were too many, by day."""

    ordering = ("-day",)
    list_display = ("day", "letters")
    search_fields = ("=letters",)


def _plain(letters: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
    """Return the same letters without the list's joins and order, which row locks do not allow."""
    ids: Any = letters.order_by().values("pk")
    return DeadLetter.objects.filter(pk__in=ids)
