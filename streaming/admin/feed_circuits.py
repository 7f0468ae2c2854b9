"""Admin of the circuits of feeds, and the action that has a feed polled again at once."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

from betting.admin_base.action_forms import ask_reason
from betting.admin_base.filters import by_choice, by_related
from betting.admin_base.read_only import FactAdmin
from betting.admin_base.unfold_types import Colour, badge
from betting.db.clock import database_now
from streaming.models import CircuitState, FeedCircuit
from streaming.polling import feed_circuits

_COLOURS: Mapping[str, Colour] = {
    CircuitState.CLOSED.label: "success",
    CircuitState.OPEN.label: "danger",
}


@admin.register(FeedCircuit)
class FeedCircuitAdmin(FactAdmin):
    """Every feed that polls ask for, failing ones first."""

    ordering = ("-state", "-failures", "feed")
    list_display = (
        "provider",
        "feed",
        "shown_state",
        "since",
        "failures",
        "retry_at",
        "reason",
        "advice",
    )
    list_filter = (by_choice("state"), by_related("provider"))
    search_fields = ("=provider__key", "feed", "reason")
    list_select_related = ("provider",)
    actions = ("reset",)

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Return True for users who may override circuits."""
        return request.user.has_perm("streaming.change_circuit")

    @badge("state", "state", _COLOURS)
    def shown_state(self, circuit: FeedCircuit) -> str:
        """Return the circuit's state, which says whether polls ask for the feed."""
        return circuit.get_state_display()

    @admin.action(description="Reset: ask again at once …", permissions=["decide"])
    def reset(
        self, request: HttpRequest, circuits: QuerySet[FeedCircuit]
    ) -> TemplateResponse | None:
        """Close the circuits and forget what they have counted."""
        reason = ask_reason(self, request, circuits, "Reset")
        if isinstance(reason, TemplateResponse):
            return reason
        by, now = request.user.get_username(), database_now()
        for circuit in circuits.select_related("provider"):
            feed_circuits.reset(circuit.provider, reason, by, now, circuit.feed)
        self.message_user(request, "Reset: done.", messages.SUCCESS)
        return None
