"""Alerts: subscribers that read messages on a phone or in a chat, and what each was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from streaming.core.alerts import QuietHours, Rules
from streaming.core.alerts import Timing as TimingRule

if TYPE_CHECKING:
    from datetime import datetime


MAX_START_HOURS = 8_760.0
"""A year: what starts later is wanted by those who want any time."""


class Timing(models.TextChoices):
    """The events whose edges are sent: `streaming.core.alerts.Timing`."""

    PRE_MATCH = TimingRule.PRE_MATCH.value, "before the start"
    IN_PLAY = TimingRule.IN_PLAY.value, "in play"
    BOTH = TimingRule.BOTH.value, "both"


class AlertManager(models.Manager["AlertSubscriber"]):
    """A manager that loads subscribers without their URLs, so that none is shown by mistake."""

    def get_queryset(self) -> models.QuerySet[AlertSubscriber]:
        """Return all subscribers; a URL is read on access, and only to send."""
        return super().get_queryset().defer("url")


class AlertSubscriber(models.Model):
    """A person or a room that is sent messages, through a service of the library Apprise."""

    name = models.SlugField(unique=True, max_length=64)
    # It holds a token or a password. `service` is all that is shown of it.
    url = models.CharField(max_length=1000, editable=False)
    service = models.CharField(max_length=32, editable=False, help_text="the URL's scheme")
    enabled = models.BooleanField(default=True, db_default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    wants_edges = models.BooleanField("edges", default=True, db_default=True)
    wants_operations = models.BooleanField(
        "operators' alerts",
        default=False,
        db_default=False,
        help_text="changes of health, and new causes of dead letters",
    )

    sports = ArrayField(
        models.CharField(max_length=64), default=list, db_default=[], blank=True,
        help_text="empty for all",
    )  # fmt: skip
    bookmakers = ArrayField(
        models.CharField(max_length=64), default=list, db_default=[], blank=True,
        help_text="empty for all",
    )  # fmt: skip
    min_ev = models.FloatField(
        "least EV", null=True, blank=True, help_text="expected value of an edge, e.g. 0.03 for 3 %"
    )
    max_ev = models.FloatField(
        "greatest EV", null=True, blank=True, help_text="an edge above it is probably a mistake"
    )
    min_books = models.PositiveSmallIntegerField(
        "fewest books", default=0, db_default=0, help_text="other bookmakers in the consensus"
    )
    start_hours = models.FloatField(
        "starts within (hours)",
        null=True,
        blank=True,
        validators=[MinValueValidator(0.0), MaxValueValidator(MAX_START_HOURS)],
        help_text="empty for any time",
    )
    timing = models.CharField(
        "events",
        max_length=9,
        choices=Timing,
        default=Timing.PRE_MATCH,
        db_default=Timing.PRE_MATCH,
    )

    digest_minutes = models.PositiveSmallIntegerField(
        "digest every (minutes)",
        default=0,
        db_default=0,
        validators=[MaxValueValidator(1_440)],
        help_text="one message with the best edges; 0 sends each edge at once",
    )
    quiet_from = models.TimeField(null=True, blank=True, help_text="nothing is sent from then on")
    quiet_to = models.TimeField(
        null=True, blank=True, help_text="until then, when what still stands is sent in one message"
    )
    time_zone = models.CharField(max_length=64, default="UTC", db_default="UTC")

    objects = AlertManager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                name="alert_subscriber_timing_known", condition=Q(timing__in=Timing.values)
            ),
            models.CheckConstraint(
                name="alert_subscriber_quiet_hours_have_both_ends",
                condition=Q(quiet_from__isnull=True, quiet_to__isnull=True)
                | Q(quiet_from__isnull=False, quiet_to__isnull=False),
            ),
            models.CheckConstraint(
                name="alert_subscriber_ev_in_order",
                condition=Q(min_ev__isnull=True)
                | Q(max_ev__isnull=True)
                | Q(min_ev__lte=F("max_ev")),
            ),
            models.CheckConstraint(
                name="alert_subscriber_start_hours_in_range",
                condition=Q(start_hours__isnull=True) | Q(start_hours__range=(0, MAX_START_HOURS)),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> str:
        """The subscriber's key among all subscribers."""
        return f"alert:{self.name}"

    @property
    def masked_url(self) -> str:
        """The part of the URL that may be shown."""
        return f"{self.service}://…"

    @property
    def rules(self) -> Rules:
        """The edges that it wants."""
        return Rules(
            sports=frozenset(self.sports),
            bookmakers=frozenset(self.bookmakers),
            min_ev=self.min_ev,
            max_ev=self.max_ev,
            min_books=self.min_books,
            start_hours=self.start_hours,
            timing=TimingRule(self.timing),
        )

    def is_quiet(self, moment: datetime) -> bool:
        """Return True if a moment is within its quiet hours."""
        if self.quiet_from is None or self.quiet_to is None:
            return False
        hours = QuietHours(self.quiet_from, self.quiet_to, ZoneInfo(self.time_zone))
        return hours.cover(moment)


class AlertTopic(models.TextChoices):
    """The subject of an alert."""

    EDGE = "edge", "edge"
    GONE = "gone", "edge gone"
    HEALTH = "health", "health"
    LETTERS = "letters", "dead letters"


class Alert(models.Model):
    """One thing that one subscriber is sent, once: a part of a message.

    It is written in the transaction that decides to send it. A message that is lost on its way is
    made again from the rows that nothing has sent.
    """

    subscriber = models.ForeignKey(
        AlertSubscriber, on_delete=models.CASCADE, related_name="alerts", db_index=False
    )
    topic = models.CharField(max_length=7, choices=AlertTopic)
    # Retention deletes edges on their own; an alert of a deleted edge is not sent.
    edge_id = models.BigIntegerField(null=True, blank=True)
    about = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text="a check or a cause"
    )
    state = models.CharField(
        max_length=32,
        blank=True,
        default="",
        db_default="",
        help_text="the check's status, or the cause's failures",
    )
    text = models.CharField(
        max_length=500,
        blank=True,
        default="",
        db_default="",
        help_text="empty for an edge, whose text is made when it is sent",
    )
    happened_at = models.DateTimeField()
    is_listed = models.BooleanField(
        default=True, db_default=True, help_text="no: only counted in a message of many"
    )
    delivery_id = models.UUIDField()
    claimed_at = models.DateTimeField(help_text="when it was decided to send it")
    resent_at = models.DateTimeField(
        null=True, blank=True, help_text="when its message was last sent again, as it was lost"
    )
    sent_at = models.DateTimeField(null=True, blank=True)
    gone_at = models.DateTimeField(
        null=True, blank=True, help_text="when the edge closed after it was sent"
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            # one message per edge, and one when it is gone
            models.UniqueConstraint(
                name="alert_once_per_edge",
                fields=["subscriber", "topic", "edge_id"],
                condition=Q(edge_id__isnull=False),
            ),
            # the newest one on each check and cause
            models.UniqueConstraint(
                name="alert_once_per_change",
                fields=["subscriber", "topic", "about", "state", "happened_at"],
                condition=Q(edge_id__isnull=True),
            ),
            models.CheckConstraint(
                name="alert_is_about_an_edge_or_has_a_text",
                condition=Q(topic__in=["edge", "gone"], edge_id__isnull=False, text="")
                | Q(topic__in=["health", "letters"], edge_id__isnull=True) & ~Q(text=""),
            ),
        ]
        indexes = [
            # those whose message was lost
            models.Index(
                name="alert_unsent", fields=["claimed_at"], condition=Q(sent_at__isnull=True)
            ),
            # edges that were sent and may close
            models.Index(
                name="alert_edge_standing",
                fields=["subscriber"],
                condition=Q(
                    topic="edge", is_listed=True, sent_at__isnull=False, gone_at__isnull=True
                ),
            ),
            # a subscriber's latest
            models.Index(name="alert_of_subscriber", fields=["subscriber", "-id"]),
            # retention
            models.Index(name="alert_claimed", fields=["claimed_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.get_topic_display()} {self.edge_id or self.about}"
