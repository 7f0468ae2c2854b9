"""Admin of circuits: their state, policy and history, and the actions that override them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib import admin, messages
from django.db.models import F, Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.template.response import TemplateResponse

from betting.admin_base.action_forms import ask_reason
from betting.admin_base.filters import by_choice, by_related, by_time
from betting.admin_base.formatting import ABSENT, link
from betting.admin_base.read_only import FactAdmin, ListMixin, Table, TablesMixin
from betting.admin_base.unfold_types import Colour, ThemedAdmin, badge
from betting.db.clock import database_now
from betting.models import Provider
from streaming.core.breaker import Command
from streaming.forms.provider import CircuitForm
from streaming.models import Circuit, CircuitMode, CircuitState, CircuitTransition
from streaming.polling.circuits import give_command
from streaming.tasks import send_quarantine

TRANSITIONS_SHOWN = 20

STATE_COLOURS: Mapping[str, Colour] = {
    CircuitState.CLOSED.label: "success",
    CircuitState.OPEN.label: "danger",
    CircuitState.HALF_OPEN.label: "warning",
}
_MODES: Mapping[str, Colour] = {
    CircuitMode.FORCED_OPEN.label: "danger",
    CircuitMode.FORCED_CLOSED.label: "warning",
    CircuitMode.DISABLED.label: "warning",
}


@admin.register(Circuit)
class CircuitAdmin(TablesMixin, ListMixin, ThemedAdmin):
    """One circuit per provider. Its policy is edited here; only the actions change its state."""

    form = CircuitForm
    list_display = (
        "provider",
        "shown_state",
        "shown_mode",
        "since",
        "retry_at",
        "reason",
        "advice",
    )
    ordering = ("-state", "provider__key")
    list_filter = (by_choice("state"), by_choice("mode"))
    search_fields = ("provider__key", "reason")
    list_select_related = ("provider",)
    actions = ("force_open", "force_closed", "disable", "reset")
    readonly_fields = (
        "provider",
        "state",
        "mode",
        "since",
        "failures",
        "recent",
        "step",
        "retry_at",
        "probe_until",
        "pause_until",
        "successes",
        "reason",
        "advice",
        "shown_risk",
    )
    fieldsets = (
        (None, {"fields": ("provider", ("state", "mode", "since"), "reason", "advice")}),
        (
            "Calls",
            {
                "fields": (
                    ("failures", "recent"),
                    ("step", "successes"),
                    ("retry_at", "probe_until", "pause_until"),
                    "shown_risk",
                )
            },
        ),
        (
            "Policy (empty: as configured)",
            {
                "fields": (
                    ("open_after_failures", "failure_rate"),
                    ("slow_call_rate", "slow_call_seconds"),
                    ("window_calls", "min_calls"),
                    ("backoff_seconds", "jitter_fraction"),
                    ("close_after_successes", "forget_after_seconds"),
                    "probe_lease_seconds",
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Circuit]:
        """Leave out what no page shows and may be long."""
        return super().get_queryset(request).defer("poll_memory")

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Return False: a provider gets its circuit by being polled."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Return False: a circuit is deleted with its provider."""
        return False

    def save_model(self, request: HttpRequest, obj: Circuit, form: ModelForm, change: bool) -> None:  # type: ignore[type-arg]  # noqa: ARG002, FBT001 - Django's signature
        """Write the edited fields alone: polls change the others meanwhile."""
        edited = {name: form.cleaned_data[name] for name in form.changed_data}
        Circuit.objects.filter(pk=obj.pk).update(**edited, version=F("version") + 1)

    @badge("state", "state", STATE_COLOURS)
    def shown_state(self, circuit: Circuit) -> str:
        """Return the circuit's state, which says whether calls pass."""
        return circuit.get_state_display()

    @badge("mode", "mode", _MODES)
    def shown_mode(self, circuit: Circuit) -> str:
        """Return the circuit's mode, which says who decides."""
        return circuit.get_mode_display()

    @admin.display(description="risk")
    def shown_risk(self, circuit: Circuit) -> str:
        """Return the risk of the provider's next calls, and what the throttle does about it."""
        return circuit.risk.words if circuit.risk else ABSENT

    @admin.action(description="Force open: no more calls …", permissions=["change"])
    def force_open(
        self, request: HttpRequest, circuits: QuerySet[Circuit]
    ) -> TemplateResponse | None:
        """Refuse every call, and take the providers' prices off the board."""
        return self._command(request, circuits, "open", "Force open")

    @admin.action(description="Force closed: every call passes …", permissions=["change"])
    def force_closed(
        self, request: HttpRequest, circuits: QuerySet[Circuit]
    ) -> TemplateResponse | None:
        """Let every call pass, even if calls fail."""
        return self._command(request, circuits, "close", "Force closed")

    @admin.action(description="Disable: only count …", permissions=["change"])
    def disable(self, request: HttpRequest, circuits: QuerySet[Circuit]) -> TemplateResponse | None:
        """Let every call pass, and only count the calls."""
        return self._command(request, circuits, "disable", "Disable")

    @admin.action(description="Reset: closed and automatic …", permissions=["change"])
    def reset(self, request: HttpRequest, circuits: QuerySet[Circuit]) -> TemplateResponse | None:
        """Close the circuits, make them automatic and forget what they have counted."""
        return self._command(request, circuits, "reset", "Reset")

    def _command(
        self, request: HttpRequest, circuits: QuerySet[Circuit], command: Command, title: str
    ) -> TemplateResponse | None:
        reason = ask_reason(self, request, circuits, title)
        if isinstance(reason, TemplateResponse):
            return reason
        providers = [circuit.provider for circuit in circuits.select_related("provider")]
        override(providers, command, reason, request.user.get_username())
        self.message_user(request, f"{title}: done.", messages.SUCCESS)
        return None

    def tables(self, row: Circuit) -> list[Table]:
        """Return the circuit's latest transitions."""
        transitions = CircuitTransition.objects.filter(provider_id=row.provider_id)
        return [
            Table(
                "Latest transitions",
                ("at", "feed", "from", "to", "mode", "why", "to do", "who"),
                [_cells(one) for one in transitions.order_by("-id")[:TRANSITIONS_SHOWN]],
                note=f"The newest {TRANSITIONS_SHOWN}.",
            )
        ]


def override(providers: Iterable[Provider], command: Command, reason: str, actor: str) -> None:
    """Give a command to the circuits of some providers; one that opens takes prices off the board.

    Args:
        providers: the providers.
        command: what to do.
        reason: why, which is stored.
        actor: the user who asks for it.
    """
    for provider in providers:
        give_command(provider, command, reason, actor, database_now())
        if command == "open":
            send_quarantine(provider.pk)


def _cells(transition: CircuitTransition) -> tuple[Any, ...]:
    return (
        link(transition, transition.at),
        transition.feed,
        transition.get_from_state_display(),
        transition.get_to_state_display(),
        transition.get_mode_display(),
        transition.reason,
        transition.advice,
        transition.actor or "the calls",
    )


@admin.register(CircuitTransition)
class CircuitTransitionAdmin(FactAdmin):
    """One row for each change of a circuit, newest first."""

    list_display = (
        "at",
        "provider",
        "feed",
        "from_state",
        "shown_state",
        "mode",
        "reason",
        "advice",
        "actor",
    )
    list_filter = (
        by_related("provider"),
        by_choice("to_state"),
        by_choice("mode"),
        by_time("at"),
    )
    search_fields = ("=provider__key", "feed", "reason", "actor")
    list_select_related = ("provider",)

    @badge("to", "to_state", STATE_COLOURS)
    def shown_state(self, transition: CircuitTransition) -> str:
        """Return the state that the circuit changed to."""
        return transition.get_to_state_display()
