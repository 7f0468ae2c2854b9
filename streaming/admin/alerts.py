"""Admin of alerts: their subscribers, and what each was sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminPasswordWidget

from betting.admin_base import formatting
from betting.admin_base.action_forms import question_page
from betting.admin_base.filters import by_choice, by_time, by_value
from betting.admin_base.read_only import FactAdmin, ListMixin, Table, TablesMixin
from betting.admin_base.unfold_types import LISTS_ON_ONE_LINE, ThemedAdmin, badge, button
from betting.config import get_config
from streaming.admin.subscribers import deliveries_table, report_test
from streaming.alerts.carrier import test
from streaming.alerts.edges import with_bets
from streaming.alerts.texts import headline
from streaming.forms.alert import AlertForm
from streaming.models import Alert, AlertSubscriber
from valuation.models import Edge

ALERTS_SHOWN = 20


class _AdminAlertForm(AlertForm):
    """The form in the admin's theme."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "address" in self.fields:  # not for those who may only look
            self.fields["address"].widget = UnfoldAdminPasswordWidget(
                attrs={"autocomplete": "new-password", "placeholder": self.instance.masked_url}
                if self.instance.pk
                else {"autocomplete": "new-password"}
            )


@admin.register(AlertSubscriber)
class AlertSubscriberAdmin(TablesMixin, ListMixin, ThemedAdmin):
    """Subscribers to alerts, whose URLs are entered and never shown."""

    form = _AdminAlertForm
    formfield_overrides = LISTS_ON_ONE_LINE
    fieldsets = (
        (None, {"fields": ("name", "address", "enabled")}),
        ("Sent", {"fields": ("wants_edges", "wants_operations")}),
        (
            "Edges",
            {
                "fields": (
                    ("sports", "bookmakers"),
                    ("min_ev", "max_ev"),
                    ("start_hours", "timing"),
                    "min_books",
                )
            },
        ),
        ("Times", {"fields": ("digest_minutes", "quiet_from", "quiet_to", "time_zone")}),
    )
    list_display = ("name", "masked", "is_enabled", "sent", "edges", "times")
    list_filter = ("enabled",)
    search_fields = ("name", "=service")
    actions_row = ("send_test",)
    actions_detail = actions_row
    empty_words = "Add one to be sent edges and operators' alerts by Telegram, Slack or e-mail."

    def get_readonly_fields(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        obj: Model | None = None,
    ) -> tuple[str, ...]:
        """Return the name as read-only once it exists: its record and dead letters refer to it."""
        return () if obj is None else ("name", "masked")

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Return the groups of fields; those who may only look are asked for no URL."""
        groups = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return groups
        return ((None, {"fields": ("name", "masked", "enabled")}), *groups[1:])

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Return False: `manage.py alerts remove` deletes one, together with its record."""
        return False

    @button("Send a test", "test", "send", "change", is_primary=True)
    def send_test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send a test message now, after a confirmation."""
        subscriber: AlertSubscriber | None = self.get_object(request, object_id)
        if subscriber is None:
            raise Http404("The subscriber is gone.")
        back = reverse("admin:streaming_alertsubscriber_change", args=[object_id])
        if request.method != "POST":
            about = [f"{subscriber.name}, {subscriber.masked_url}"]
            return question_page(request, self, "Send a test", Form(), about, back=back)
        report_test(self, request, subscriber, test(subscriber, get_config()))
        return redirect(back)

    @admin.display(description="URL")
    def masked(self, subscriber: AlertSubscriber) -> str:
        """Return the part of the URL that is no secret."""
        return subscriber.masked_url

    @admin.display(description="enabled", boolean=True, ordering="enabled")
    def is_enabled(self, subscriber: AlertSubscriber) -> bool:
        """Return True if messages are sent."""
        return subscriber.enabled

    @admin.display(description="sent")
    def sent(self, subscriber: AlertSubscriber) -> str:
        """Return the subjects that it is sent."""
        chosen = ((subscriber.wants_edges, "edges"), (subscriber.wants_operations, "operations"))
        return ", ".join(words for is_wanted, words in chosen if is_wanted)

    @admin.display(description="edges")
    def edges(self, subscriber: AlertSubscriber) -> str:
        """Return the rules in a few words."""
        if not subscriber.wants_edges:
            return formatting.ABSENT
        rules = [
            ", ".join(subscriber.sports),
            ", ".join(subscriber.bookmakers),
            _from_to(subscriber.min_ev, subscriber.max_ev),
            f"{subscriber.min_books} books" if subscriber.min_books else "",
            f"within {subscriber.start_hours:g} h" if subscriber.start_hours is not None else "",
            "" if subscriber.timing == "both" else subscriber.get_timing_display(),
        ]
        return " · ".join(filter(None, rules)) or "all"

    @admin.display(description="times")
    def times(self, subscriber: AlertSubscriber) -> str:
        """Return when messages are sent."""
        minutes = subscriber.digest_minutes
        words = f"every {minutes} min" if minutes else "at once"
        if subscriber.quiet_from is None or subscriber.quiet_to is None:
            return words
        return f"{words}, not {subscriber.quiet_from:%H:%M}–{subscriber.quiet_to:%H:%M}"

    def tables(self, row: AlertSubscriber) -> list[Table]:
        """Return the subscriber's latest deliveries and alerts."""
        alerts = list(Alert.objects.filter(subscriber=row)[:ALERTS_SHOWN])
        edges = with_bets(alert.edge_id for alert in alerts if alert.edge_id is not None)
        return [
            deliveries_table(row.key),
            Table(
                "Latest alerts",
                ("decided", "topic", "about", "sent"),
                [
                    (
                        formatting.link(alert, formatting.moment(alert.claimed_at)),
                        alert.get_topic_display(),
                        _subject(alert, edges),
                        formatting.moment(alert.sent_at),
                    )
                    for alert in alerts
                ],
                note=f"The newest {ALERTS_SHOWN}.",
            ),
        ]


@admin.register(Alert)
class AlertAdmin(FactAdmin):
    """Alerts of all subscribers, newest first."""

    list_display = ("claimed_at", "subscriber", "subject", "what", "sent_at", "gone_at")
    list_filter = (by_value("subscriber__name"), by_choice("topic"), by_time("claimed_at"))
    list_select_related = ("subscriber",)
    search_fields = ("=subscriber__name", "=edge_id", "text")

    @badge("topic", "topic", {"edge": "success", "health": "warning", "dead letters": "danger"})
    def subject(self, alert: Alert) -> str:
        """Return the alert's topic."""
        return alert.get_topic_display()

    @admin.display(description="about")
    def what(self, alert: Alert) -> str:
        """Return the alert's text, or its edge's number as a link."""
        if alert.edge_id is None:
            return alert.text
        return formatting.link(Edge(pk=alert.edge_id), f"edge {alert.edge_id}")


def _subject(alert: Alert, edges: Mapping[int, Edge]) -> str:
    """Return the subject of an alert: its text, or its edge in words."""
    if alert.edge_id is None:
        return alert.text
    edge = edges.get(alert.edge_id)
    words = f"edge {alert.edge_id}" if edge is None else formatting.link(edge, headline(edge))
    return words if alert.is_listed else format_html("{}, only counted", words)


def _from_to(least: float | None, greatest: float | None) -> str:
    if least is None and greatest is None:
        return ""
    if greatest is None:
        return f"from {formatting.percent(least, 1)}"
    if least is None:
        return f"to {formatting.percent(greatest, 1)}"
    return f"{formatting.percent(least, 1)} to {formatting.percent(greatest, 1)}"
