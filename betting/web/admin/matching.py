"""Event matching across providers: the aliases that operators enter, and their decisions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.db.models import Case, QuerySet, When
from django.db.models import Field as ModelField
from django.forms import Field
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSelectWidget

from betting.admin_base.filters import by_choice, by_related, by_time, by_value
from betting.admin_base.formatting import link
from betting.admin_base.read_only import FactAdmin, ListMixin
from betting.admin_base.unfold_types import ThemedAdmin, badge
from betting.config import get_config
from betting.models import DoubtfulMatch, MatchDecision, ParticipantAlias
from streaming.forms.participant_alias import ParticipantAliasForm, sport_families
from streaming.ingest import match_review


@admin.register(ParticipantAlias)
class ParticipantAliasAdmin(ListMixin, ThemedAdmin):
    """Names that stand for others when events are matched; workers see every change."""

    form = ParticipantAliasForm
    list_display = ("name", "canonical", "family")
    list_filter = (by_value("family"),)
    search_fields = ("name", "canonical", "=family")

    def formfield_for_dbfield(
        self, db_field: ModelField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Field | None:
        """Offer a choice of the families."""
        if db_field.name == "family":
            choices = [(family, family) for family in sport_families()]
            kwargs["widget"] = UnfoldAdminSelectWidget(choices=choices)
        return super().formfield_for_dbfield(db_field, request, **kwargs)


@admin.register(DoubtfulMatch)
class DoubtfulMatchAdmin(FactAdmin):
    """Pairs of events that a person has to compare; the two actions decide."""

    empty_words = "Every event of every provider was matched without a doubt."
    list_display = (
        "reason",
        "left_apart",
        "starts",
        "may_be",
        "that_starts",
        "provider",
        "state",
        "decided_by",
        "decided_at",
    )
    list_filter = (
        by_choice("decision"),
        by_value("reason"),
        by_related("provider"),
        by_time("created_at"),
    )
    search_fields = ("=id", "event__home", "event__away", "candidate__home", "candidate__away")
    list_select_related = ("event", "candidate", "provider")
    actions = ("decide_same", "decide_different")

    def get_ordering(self, request: HttpRequest) -> tuple[Case | str, ...]:  # noqa: ARG002 - Django's signature
        """Return the order: those that wait for a decision come first."""
        is_decided = Case(When(decision=MatchDecision.OPEN, then=0), default=1)
        return (is_decided, "-id")

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Return True if the user has the permission to change doubtful matches."""
        return bool(request.user.has_perm("betting.change_doubtfulmatch"))

    @admin.display(description="left apart", ordering="event__home")
    def left_apart(self, doubt: DoubtfulMatch) -> str:
        """Return the provider's event, which was left apart."""
        return link(doubt.event)

    @admin.display(description="starts", ordering="event__commence_time")
    def starts(self, doubt: DoubtfulMatch) -> datetime:
        """Return the start of the provider's event."""
        return doubt.event.commence_time

    @admin.display(description="may be", ordering="candidate__home")
    def may_be(self, doubt: DoubtfulMatch) -> str:
        """Return the earlier event that it may be."""
        return link(doubt.candidate)

    @admin.display(description="starts", ordering="candidate__commence_time")
    def that_starts(self, doubt: DoubtfulMatch) -> datetime:
        """Return the start of the earlier event."""
        return doubt.candidate.commence_time

    @badge(
        "decision",
        "decision",
        {MatchDecision.OPEN.label: "warning", MatchDecision.SAME.label: "success"},
    )
    def state(self, doubt: DoubtfulMatch) -> str:
        """Return the decision about it."""
        return doubt.get_decision_display()

    @admin.action(description="Same event", permissions=["decide"])
    def decide_same(self, request: HttpRequest, doubts: QuerySet[DoubtfulMatch]) -> None:
        """Merge each provider's event into the earlier one."""
        policy = get_config().matching
        self._decide(request, doubts, lambda pk, by: match_review.decide_same(pk, by, policy))

    @admin.action(description="Different events", permissions=["decide"])
    def decide_different(self, request: HttpRequest, doubts: QuerySet[DoubtfulMatch]) -> None:
        """Keep the events of each pair apart for good."""
        self._decide(request, doubts, match_review.decide_different)

    def _decide(
        self,
        request: HttpRequest,
        doubts: QuerySet[DoubtfulMatch],
        decide: Callable[[int, str], DoubtfulMatch],
    ) -> None:
        """Decide the pairs one by one: a decision may rule out a later one."""
        by = request.user.get_username()
        for pk in doubts.order_by("pk").values_list("pk", flat=True):
            try:
                decided = decide(pk, by)
            except match_review.UndecidableError as refusal:
                self.message_user(request, f"{pk}: {refusal}.", messages.ERROR)
            else:
                words = decided.get_decision_display()
                self.message_user(request, f"{pk}: {words}.", messages.SUCCESS)
