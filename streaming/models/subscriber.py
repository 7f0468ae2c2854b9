"""Webhooks, the record of each subscriber, and one row for every delivery."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from streaming.core.histogram import BUCKETS
from streaming.core.histogram import EMPTY as NO_LATENCIES


def no_latencies() -> list[int]:
    """Return the latency counts of a subscriber without deliveries."""
    return list(NO_LATENCIES)


class WebhookManager(models.Manager["WebhookSubscriber"]):
    """A manager that loads webhooks without their secrets, so that none is shown by mistake."""

    def get_queryset(self) -> models.QuerySet[WebhookSubscriber]:
        """Return all webhooks; a secret is read on access, and only to sign."""
        return super().get_queryset().defer("secret")


class WebhookSubscriber(models.Model):
    """An address that events are posted to, and which of them."""

    name = models.SlugField(unique=True, max_length=64)
    url = models.CharField(max_length=500)
    types = ArrayField(
        models.CharField(max_length=64),
        default=list,
        db_default=[],
        blank=True,
        help_text="types of events; empty for all",
    )
    sports = ArrayField(
        models.CharField(max_length=64),
        default=list,
        db_default=[],
        blank=True,
        help_text="keys of sports; empty for all",
    )
    min_ev = models.FloatField(
        null=True, blank=True, help_text="the least expected value of an edge, e.g. 0.03"
    )
    # Shown once, when the webhook is made.
    secret = models.CharField(max_length=100, editable=False)
    enabled = models.BooleanField(default=True, db_default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = WebhookManager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> str:
        """The webhook's key among all subscribers."""
        return f"webhook:{self.name}"


class SubscriberRecord(models.Model):
    """A subscriber's deliveries so far: `streaming.core.suppression.SubscriberState` as a row."""

    subscriber = models.CharField(
        unique=True, max_length=128, help_text="webhook:… or handler:… and its name"
    )
    deliveries = models.BigIntegerField(default=0, db_default=0)
    failures = models.BigIntegerField(default=0, db_default=0)
    consecutive_failures = models.IntegerField(default=0, db_default=0)
    recent = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="the latest deliveries, newest first: . delivered, x failed",
    )
    suppressions = models.IntegerField(
        default=0, db_default=0, help_text="in a row; 0 while it is well"
    )
    suppressed_until = models.DateTimeField(null=True, blank=True)
    probe_until = models.DateTimeField(
        null=True, blank=True, help_text="until then one delivery alone may try whether it is well"
    )
    last_error = models.CharField(max_length=200, blank=True, default="", db_default="")
    latencies = ArrayField(
        models.BigIntegerField(),
        size=BUCKETS,
        default=no_latencies,
        help_text="deliveries by duration: streaming.core.histogram",
    )

    class Meta:
        ordering = ["subscriber"]
        constraints = [
            models.CheckConstraint(
                name="subscriber_record_suppressed_has_end",
                condition=Q(suppressions=0, suppressed_until__isnull=True)
                | Q(suppressions__gt=0, suppressed_until__isnull=False),
            ),
            models.CheckConstraint(
                name="subscriber_record_probe_is_of_a_suppression",
                condition=Q(probe_until__isnull=True) | Q(suppressed_until__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.subscriber


class DeliveryOutcome(models.TextChoices):
    """The outcome of a delivery."""

    DELIVERED = "delivered", "delivered"
    FAILED = "failed", "failed"
    HELD = "held", "held back: suppressed"


class DeliveryRun(models.Model):
    """One attempt to deliver a message to a subscriber, or one that was held back."""

    delivery_id = models.UUIDField(help_text="the same whenever the message is delivered again")
    subscriber = models.CharField(max_length=128)
    started_at = models.DateTimeField()
    outcome = models.CharField(max_length=9, choices=DeliveryOutcome)
    events = models.IntegerField(help_text="events in the message")
    duration_ms = models.FloatField(default=0.0, db_default=0.0)
    failure_kind = models.CharField(
        max_length=9, blank=True, default="", db_default="", help_text="transient or permanent"
    )
    failure_code = models.CharField(max_length=64, blank=True, default="", db_default="")
    failure_message = models.CharField(max_length=200, blank=True, default="", db_default="")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="delivery_run_outcome_known",
                condition=Q(outcome__in=DeliveryOutcome.values),
            ),
            models.CheckConstraint(
                name="delivery_run_failure_is_named",
                condition=Q(outcome="failed") & ~Q(failure_code="")
                | ~Q(outcome="failed") & Q(failure_code=""),
            ),
            # has the message arrived before?
            models.UniqueConstraint(
                name="delivery_run_delivered_once",
                fields=["delivery_id"],
                condition=Q(outcome="delivered"),
            ),
        ]
        indexes = [
            # a subscriber's latest deliveries
            models.Index(name="delivery_run_subscriber", fields=["subscriber", "-id"]),
            # rates over a window; retention
            models.Index(name="delivery_run_started", fields=["started_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.subscriber} {self.outcome}"
