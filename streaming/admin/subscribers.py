"""Admin of subscribers: webhooks, the record of each subscriber, and every delivery."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest

from betting.admin_base import formatting
from betting.admin_base.filters import by_choice, by_time, by_value, if_empty
from betting.admin_base.read_only import FactAdmin, ListMixin, Table, TablesMixin
from betting.admin_base.unfold_types import LISTS_ON_ONE_LINE, ThemedAdmin, badge, number
from betting.config import get_config
from streaming.core.failures import PermanentFailure, ProviderFailure
from streaming.core.histogram import quantile_ms
from streaming.forms.webhook import WebhookForm
from streaming.models import DeliveryOutcome, DeliveryRun, SubscriberRecord, WebhookSubscriber
from streaming.notifications import bus
from streaming.notifications.delivery import send_test, utc_now
from streaming.notifications.subscriber_health import SubscriberHealth, breaker_of
from streaming.notifications.webhooks import subscribe

DELIVERIES_SHOWN = 20


@admin.register(WebhookSubscriber)
class WebhookSubscriberAdmin(TablesMixin, ListMixin, ThemedAdmin):
    """Webhooks. `manage.py subscribers remove` deletes one, together with its record."""

    form = WebhookForm
    formfield_overrides = LISTS_ON_ONE_LINE
    fields = ("name", "url", "types", "sports", "min_ev", "enabled", "created_at")
    list_display = ("name", "url", "is_enabled", "types", "sports", "min_ev")
    list_filter = ("enabled",)
    search_fields = ("name", "url")
    actions = ("send_test_event",)

    def get_readonly_fields(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        obj: Model | None = None,
    ) -> tuple[str, ...]:
        """Return the name as read-only once it exists: its record and dead letters refer to it."""
        return ("created_at",) if obj is None else ("name", "created_at")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Return False: only the command deletes a webhook."""
        return False

    def save_model(
        self,
        request: HttpRequest,
        obj: WebhookSubscriber,
        form: ModelForm[WebhookSubscriber],
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Save a webhook; a new one gets its secret, which is shown this once."""
        if change:
            super().save_model(request, obj, form, change)
            bus.forget_routes()
        else:
            secret = subscribe(obj)
            self.message_user(request, f"Its secret, shown this once: {secret}", messages.WARNING)

    @admin.action(description="Send a test notification", permissions=["change"])
    def send_test_event(self, request: HttpRequest, queryset: QuerySet[WebhookSubscriber]) -> None:
        """Post a test notification to each webhook now."""
        for webhook in queryset:
            report_test(self, request, webhook, send_test(webhook.key, get_config()))

    @admin.display(description="enabled", boolean=True, ordering="enabled")
    def is_enabled(self, webhook: WebhookSubscriber) -> bool:
        """Return True if events are posted to the webhook."""
        return webhook.enabled

    def tables(self, row: WebhookSubscriber) -> list[Table]:
        """Return the webhook's statistics and its latest deliveries."""
        records = SubscriberRecord.objects.filter(subscriber=row.key)
        health = [SubscriberHealth(each, row.enabled, utc_now()) for each in records]
        return [
            Table(
                "Statistics",
                ("what", "value"),
                [item for each in health for item in each.as_json().items()],
            ),
            deliveries_table(row.key),
        ]


@admin.register(SubscriberRecord)
class SubscriberRecordAdmin(FactAdmin):
    """The record of every subscriber so far, handlers included."""

    list_display = (
        "subscriber",
        "state",
        "deliveries",
        "failures",
        "consecutive_failures",
        "rate",
        "median",
        "slowest",
        "last_error",
    )
    list_filter = (if_empty("suppressed_until"),)
    search_fields = ("subscriber", "last_error")

    @badge("state", "suppressed_until", {"well": "success", "failing": "warning"})
    def state(self, row: SubscriberRecord) -> str:
        """Return whether the subscriber is well, and if not, what happens next."""
        return SubscriberHealth(row, is_enabled=True, now=utc_now()).words

    @number
    @admin.display(description="failing lately")
    def rate(self, row: SubscriberRecord) -> str:
        """Return the part of the latest deliveries that failed."""
        return formatting.percent(breaker_of(row).failure_rate)

    @number
    @admin.display(description="p50")
    def median(self, row: SubscriberRecord) -> str:
        """Return the median duration of the deliveries."""
        return formatting.milliseconds(quantile_ms(row.latencies, 0.5))

    @number
    @admin.display(description="p95")
    def slowest(self, row: SubscriberRecord) -> str:
        """Return the 95th percentile of the deliveries' durations."""
        return formatting.milliseconds(quantile_ms(row.latencies, 0.95))


@admin.register(DeliveryRun)
class DeliveryRunAdmin(FactAdmin):
    """One row for each delivery, newest first."""

    list_display = (
        "started_at",
        "subscriber",
        "result",
        "events",
        "took",
        "failure_code",
        "failure_message",
    )
    list_filter = (
        by_value("subscriber"),
        by_choice("outcome"),
        by_value("failure_kind"),
        by_time("started_at"),
    )
    search_fields = ("=subscriber", "=failure_code", "failure_message")

    @badge(
        "outcome",
        "outcome",
        {
            DeliveryOutcome.DELIVERED.label: "success",
            DeliveryOutcome.FAILED.label: "danger",
            DeliveryOutcome.HELD.label: "warning",
        },
    )
    def result(self, run: DeliveryRun) -> str:
        """Return the delivery's outcome."""
        return run.get_outcome_display()

    @number
    @admin.display(description="took", ordering="duration_ms")
    def took(self, run: DeliveryRun) -> str:
        """Return the time from the call to its end."""
        return formatting.milliseconds(run.duration_ms)


def deliveries_table(subscriber: str) -> Table:
    """Return the latest deliveries to a subscriber, by its key."""
    deliveries = DeliveryRun.objects.filter(subscriber=subscriber)[:DELIVERIES_SHOWN]
    return Table(
        "Latest deliveries",
        ("started", "outcome", "events", "took", "failure"),
        [
            (
                formatting.link(each, formatting.moment(each.started_at)),
                each.get_outcome_display(),
                each.events,
                formatting.milliseconds(each.duration_ms),
                each.failure_message,
            )
            for each in deliveries
        ],
        numbers=frozenset({"events", "took"}),
        note=f"The newest {DELIVERIES_SHOWN}.",
    )


def report_test(
    pages: ThemedAdmin, request: HttpRequest, subscriber: Model, failure: ProviderFailure | None
) -> None:
    """Say on the next page whether a test notification arrived, and if not, why.

    Args:
        pages: the subscriber's pages.
        request: the action's request.
        subscriber: whom it was sent to.
        failure: why it did not arrive; None if it did.
    """
    if failure is None:
        words = f"{subscriber} took the test notification."
        pages.message_user(request, words, messages.SUCCESS)
        return
    advice = failure.advice if isinstance(failure, PermanentFailure) else ""
    pages.message_user(request, f"{failure} {advice}".strip(), messages.ERROR)
