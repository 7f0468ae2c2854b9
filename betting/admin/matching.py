"""Which events of different providers are one: what operators know, and what they are asked."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Field as ModelField
from django.forms import Field
from django.http import HttpRequest
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.widgets import UnfoldAdminSelectWidget

from betting.admin.facts import FactAdmin
from betting.admin.shown import link
from betting.admin.themed import ThemedAdmin, badge
from betting.models import Decision, DoubtfulMatch, ParticipantAlias
from streaming.participant_form import ParticipantAliasForm, sport_families


@admin.register(ParticipantAlias)
class ParticipantAliasAdmin(ThemedAdmin):
    """Names that stand for others when events are matched; workers follow every change."""

    form = ParticipantAliasForm
    list_display = ("name", "canonical", "family")
    list_filter = ("family",)
    search_fields = ("name", "canonical", "=family")

    def formfield_for_dbfield(
        self, db_field: ModelField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Field | None:
        """The family is picked."""
        if db_field.name == "family":
            choices = [(family, family) for family in sport_families()]
            kwargs["widget"] = UnfoldAdminSelectWidget(choices=choices)
        return super().formfield_for_dbfield(db_field, request, **kwargs)


@admin.register(DoubtfulMatch)
class DoubtfulMatchAdmin(FactAdmin):
    """Pairs of events that a person has to compare."""

    list_display = (
        "id",
        "left_apart",
        "starts",
        "may_be",
        "that_starts",
        "provider",
        "reason",
        "state",
        "decided_by",
        "decided_at",
    )
    list_filter = (
        "decision",
        "reason",
        "provider",
        ("created_at", RangeDateTimeFilter),
    )
    search_fields = ("=id", "event__home", "event__away", "candidate__home", "candidate__away")
    list_select_related = ("event", "candidate", "provider")

    @admin.display(description="left apart", ordering="event__home")
    def left_apart(self, doubt: DoubtfulMatch) -> str:
        """The provider's event."""
        return link(doubt.event)

    @admin.display(description="starts", ordering="event__commence_time")
    def starts(self, doubt: DoubtfulMatch) -> datetime:
        """When it starts."""
        return doubt.event.commence_time

    @admin.display(description="may be", ordering="candidate__home")
    def may_be(self, doubt: DoubtfulMatch) -> str:
        """The event that was there before."""
        return link(doubt.candidate)

    @admin.display(description="starts", ordering="candidate__commence_time")
    def that_starts(self, doubt: DoubtfulMatch) -> datetime:
        """When that one starts."""
        return doubt.candidate.commence_time

    @badge(
        "decision",
        "decision",
        {Decision.OPEN.label: "warning", Decision.SAME.label: "success"},
    )
    def state(self, doubt: DoubtfulMatch) -> str:
        """What was said about it."""
        return doubt.get_decision_display()
