"""Sports, their events, and the providers' ids of events."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from betting.models.provider import Provider


class Sport(models.Model):
    """A sport or competition, keyed as feeds key it, e.g. `basketball_nba`."""

    key = models.CharField(unique=True, max_length=64)
    title = models.CharField(max_length=128)

    class Meta:
        ordering = ["key"]

    def __str__(self) -> str:
        return self.key


class EventStatus(models.TextChoices):
    """The stage of an event's life."""

    SCHEDULED = "scheduled", "scheduled"
    LIVE = "live", "in play"
    ENDED = "ended", "ended"


class Event(models.Model):
    """A fixture or a field of runners. If its start moves, it stays the same event."""

    sport = models.ForeignKey(Sport, on_delete=models.PROTECT, db_index=False)
    home = models.CharField(max_length=200)
    away = models.CharField(max_length=200)
    commence_time = models.DateTimeField()
    status = models.CharField(
        max_length=9,
        choices=EventStatus,
        default=EventStatus.SCHEDULED,
        db_default=EventStatus.SCHEDULED,
    )
    created_at = models.DateTimeField(
        db_default=Now(), editable=False, help_text="when it was first met, however old its start"
    )
    closed_for = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="the start that its closing prices were taken at; empty until then",
    )

    class Meta:
        ordering = ["commence_time", "id"]
        constraints = [
            models.CheckConstraint(
                name="event_status_known", condition=Q(status__in=EventStatus.values)
            ),
        ]
        indexes = [
            # ingest: the open events of a sport, to end those an answer no longer lists
            models.Index(
                name="event_open",
                fields=["sport", "commence_time"],
                condition=~Q(status=EventStatus.ENDED),
            ),
            # admin and API: events by start; retention: past ones
            models.Index(name="event_start", fields=["commence_time", "id"]),
            # sweep: events whose closing prices are due
            models.Index(
                name="event_unclosed",
                fields=["commence_time", "id"],
                condition=Q(closed_for__isnull=True),
            ),
            # sweep: events whose start has moved since their closing prices were taken
            models.Index(
                name="event_start_moved",
                fields=["id"],
                condition=Q(closed_for__lt=F("commence_time"))
                | Q(closed_for__gt=F("commence_time")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.away} @ {self.home}"


class EventAlias(models.Model):
    """One provider's id of an event.

    An event may have ids of different providers, but never two ids of one provider: those are two
    events (doubleheaders: same teams, same day).
    """

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="aliases")
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, db_index=False)
    external_id = models.CharField(max_length=128)

    class Meta:
        verbose_name_plural = "event aliases"
        constraints = [
            # resolve: the event of a provider's id
            models.UniqueConstraint(
                name="event_alias_external_id_unique", fields=["provider", "external_id"]
            ),
            models.UniqueConstraint(
                name="event_alias_one_per_provider", fields=["event", "provider"]
            ),
        ]

    def __str__(self) -> str:
        return self.external_id
