"""Admin of dead letters: inspecting, replaying and discarding them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from betting.admin_base.action_forms import ReasonForm, ask_reason, question, question_page
from betting.admin_base.filters import ChoiceFilter, by_choice, by_time, by_value
from betting.admin_base.read_only import FactAdmin
from betting.admin_base.unfold_types import badge, button
from streaming.admin import letter_causes, letter_patterns
from streaming.admin.letter_causes import may_decide, report_replays
from streaming.dead_letters import causes, contents, replay
from streaming.dead_letters.replay import EditedArguments, with_last_replay
from streaming.forms.dead_letter import ArgumentsForm
from streaming.models import ActionKind, DeadLetter, DeadLetterAction, LetterStatus

ACTIONS_SHOWN = 20


class CauseFilter(ChoiceFilter):
    """A filter for the letters of one cause; the page of causes links to it."""

    title = "cause"
    parameter_name = "cause"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        """Return the chosen cause in words; nothing, which hides the filter, if none is chosen."""
        key = request.GET.get(self.parameter_name, "")
        newest = causes.with_subscriber(causes.of_cause(key)).first() if key else None
        if newest is None:
            return [(key, "gone")] if key else []
        return [(key, causes.sentence(newest))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - Django's signature
        """Return the letters of the chosen cause; all without a choice."""
        key = self.value()
        return queryset.filter(pk__in=causes.of_cause(key).values("pk")) if key else queryset


@dataclass(frozen=True, slots=True)
class Moment:
    """An entry of a letter's timeline.

    Attributes:
        at: when it was.
        who: who did it; empty for the work itself.
        words: what was done.
        outcome: what came of it.
    """

    at: datetime
    who: str
    words: str
    outcome: str = ""


@admin.register(DeadLetter)
class DeadLetterAdmin(FactAdmin):
    """Work that failed for good, the most recently seen first."""

    empty_words = "No work has failed for good."
    ordering = ("-last_seen", "-id")
    list_display = ("failure", "state", "count", "last_seen", "replay_end")
    list_filter = (
        CauseFilter,
        by_choice("status"),
        by_choice("kind"),
        by_value("task"),
        by_value("queue"),
        by_value("provider"),
        by_time("last_seen"),
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
    actions_row = ("replay_letter", "edit_letter", "discard_letter")
    actions_detail = actions_row
    change_form_outer_before_template = "streaming/letter.html"
    fields = (
        ("kind", "status"),
        "discard_reason",
        ("task", "queue"),
        ("provider", "feed"),
        ("exception", "fingerprint"),
        "message",
        ("worker", "task_id"),
        ("retries", "is_complete"),
        "sentry_event_id",
    )
    custom_urls = (
        ("causes/", letter_causes.NAME, letter_causes.page),
        ("patterns/", letter_patterns.NAME, letter_patterns.page),
        (
            "<int:letter_id>/content/",
            "streaming_deadletter_content",
            lambda request, letter_id, model_admin: model_admin.content(request, letter_id),
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeadLetter]:
        """Add how the latest replay ended; leave the large columns out of the list."""
        rows = causes.with_subscriber(with_last_replay(super().get_queryset(request)))
        match = request.resolver_match
        is_list = match is not None and str(match.url_name).endswith("_changelist")
        return rows.defer(*causes.LARGE) if is_list else rows

    def has_decide_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002 - Unfold's signature
        """Return True for users who may change letters: they may also replay or discard them."""
        return may_decide(request)

    @admin.action(description="Replay", permissions=["decide"])
    def replay(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> None:
        """Request a replay of each letter, sent at the configured rate."""
        chosen = letters.count()
        asked = replay.request_replays(_plain(letters), request.user.get_username())
        report_replays(request, chosen, asked)

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
        self._replay_edited(request, letter, form)
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

    @button("Replay", "replay", "replay", "decide", is_primary=True)
    def replay_letter(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Request a replay of the letter, after a confirmation."""
        letter = self._letter(request, object_id)
        if request.method != "POST":
            return self._question(request, letter, "Replay", Form())
        asked = replay.request_replay(letter.pk, request.user.get_username(), EditedArguments())
        report_replays(request, 1, int(asked))
        return _to_page_of(letter)

    @button("Edit and replay …", "edit", "edit_note", "decide")
    def edit_letter(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Request a replay of the letter with arguments that a person enters."""
        letter = self._letter(request, object_id)
        form = ArgumentsForm(letter, request.POST if request.method == "POST" else None)
        if not form.is_valid():
            return self._question(request, letter, "Replay with these", form)
        self._replay_edited(request, letter, form)
        return _to_page_of(letter)

    @button("Discard …", "discard", "delete", "decide")
    def discard_letter(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Discard the letter: its work is given up."""
        letter = self._letter(request, object_id)
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if not form.is_valid():
            return self._question(request, letter, "Discard", form)
        letters = DeadLetter.objects.filter(pk=letter.pk)
        reason = form.cleaned_data["reason"]
        count = replay.discard(letters, request.user.get_username(), reason)
        if count:
            self.message_user(request, "1 discarded", messages.SUCCESS)
        else:
            words = "It is being replayed, or was discarded already."
            self.message_user(request, words, messages.WARNING)
        return _to_page_of(letter)

    def content(self, request: HttpRequest, letter_id: int) -> HttpResponse:
        """Return what failed as a file: the answer that came, or the task's arguments."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        file = contents.content_of(self._letter(request, letter_id))
        return HttpResponse(
            file.body,
            content_type="application/octet-stream",
            headers={"Content-Disposition": f'attachment; filename="{file.name}"'},
        )

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the letter in words, its timeline and what it holds to the page."""
        letter = kwargs["obj"]
        key = causes.with_cause(DeadLetter.objects.filter(pk=letter.pk)).get().cause
        context |= {
            "letter": letter,
            "sentence": causes.sentence(letter),
            "cause": key,
            "letters_of_cause": causes.of_cause(key).count(),
            "timeline": list(_timeline(letter)),
            "body_chars": f"{len(letter.body):,} characters",
            "arguments": contents.arguments_in_brief(letter),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="what failed", ordering="kind")
    def failure(self, letter: DeadLetter) -> str:
        """Return what failed, in words."""
        return causes.sentence(letter)

    @badge(
        "status",
        "status",
        {
            LetterStatus.NEW.label: "danger",
            LetterStatus.REPLAYING.label: "info",
            LetterStatus.REPLAYED.label: "success",
            LetterStatus.HEALED.label: "success",
        },
    )
    def state(self, letter: DeadLetter) -> str:
        """Return the letter's status."""
        return letter.get_status_display()

    @admin.display(description="last replay")
    def replay_end(self, letter: DeadLetter) -> str:
        """Return how the latest replay ended, when, and with which error."""
        return letter.last_replay

    def _letter(self, request: HttpRequest, letter_id: str | int) -> DeadLetter:
        letter: DeadLetter | None = self.get_object(request, str(letter_id))
        if letter is None:
            raise Http404("The letter is gone.")
        return letter

    def _replay_edited(self, request: HttpRequest, letter: DeadLetter, form: ArgumentsForm) -> None:
        """Request the replay with the arguments of a valid form, and say so."""
        if replay.request_replay(letter.pk, request.user.get_username(), form.edited()):
            self.message_user(request, "1 will be replayed, edited", messages.SUCCESS)
        else:
            self.message_user(request, "It is being replayed already.", messages.WARNING)

    def _question(
        self, request: HttpRequest, letter: DeadLetter, title: str, form: Form
    ) -> TemplateResponse:
        about = [causes.sentence(letter)]
        return question_page(request, self, title, form, about, back=_page_of(letter))


def _page_of(letter: DeadLetter) -> str:
    return reverse("admin:streaming_deadletter_change", args=[letter.pk])


def _to_page_of(letter: DeadLetter) -> HttpResponse:
    return redirect(_page_of(letter))


def _timeline(letter: DeadLetter) -> Iterator[Moment]:
    """Yield what happened to a letter, the newest first: its failures, and the actions on it."""
    moments = [_moment(action) for action in letter.actions.order_by("-id")[:ACTIONS_SHOWN]]
    moments.append(Moment(letter.first_seen, "", "failed for the first time"))
    if letter.count > 1:
        moments.append(Moment(letter.last_seen, "", f"failed last; {letter.count:,} times in all"))
    yield from sorted(moments, key=lambda moment: moment.at, reverse=True)


def _moment(action: DeadLetterAction) -> Moment:
    ended = f" at {action.ended_at:%H:%M:%S}" if action.ended_at else ""
    if action.action == ActionKind.DISCARD:
        return Moment(action.requested_at, action.requested_by, f"discarded it: {action.reason}")
    edited = "" if action.args is None and action.kwargs is None else " with other arguments"
    error = f": {action.error}" if action.error else ""
    outcome = f"{action.get_outcome_display()}{ended}{error}"
    return Moment(action.requested_at, action.requested_by, f"asked for a replay{edited}", outcome)


def _plain(letters: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
    """Return the same letters without the list's joins and order, which row locks do not allow."""
    ids: Any = letters.order_by().values("pk")
    return DeadLetter.objects.filter(pk__in=ids)
