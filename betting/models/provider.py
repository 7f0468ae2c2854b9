"""Providers, how they are polled, and when each of their feeds was last answered."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Clock(models.TextChoices):
    """The clock by which a provider's quotes age."""

    WALL = "wall", "now"
    RECORDED = "recorded", "the recording's own"


class Provider(models.Model):
    """A source of odds, and the requests that a poll of it makes.

    The API key is not here: `api_key_env` names the environment variable that holds it.
    """

    key = models.SlugField(unique=True, max_length=64)
    adapter = models.CharField(max_length=64, help_text="a key of streaming.providers.registry")
    base_url = models.CharField(max_length=500)
    sports = ArrayField(models.CharField(max_length=64), default=list, db_default=[], blank=True)
    markets = ArrayField(models.CharField(max_length=64), default=list, db_default=[], blank=True)
    event_markets = ArrayField(
        models.CharField(max_length=64),
        default=list,
        db_default=[],
        blank=True,
        help_text="markets asked for event by event (player props, alternate lines)",
    )
    regions = ArrayField(models.CharField(max_length=16), default=list, db_default=[], blank=True)
    bookmakers = ArrayField(
        models.CharField(max_length=64), default=list, db_default=[], blank=True
    )
    odds_format = models.CharField(
        max_length=8,
        choices=[("decimal", "decimal"), ("american", "American")],
        default="decimal",
        db_default="decimal",
    )
    api_key_env = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text="variable with the API key"
    )
    interval_seconds = models.FloatField(default=30.0, db_default=30.0)
    stale_after_seconds = models.FloatField(
        default=120.0,
        db_default=120.0,
        help_text="the least silence after which quotes are quarantined; "
        "a bookmaker's own limit is learnt and may be longer",
    )
    clock = models.CharField(max_length=8, choices=Clock, default=Clock.WALL, db_default=Clock.WALL)
    enabled = models.BooleanField(default=True, db_default=True)
    next_poll_at = models.DateTimeField(default=None, null=True, blank=True)
    quota_remaining = models.FloatField(null=True, blank=True)
    quota_used = models.FloatField(null=True, blank=True)
    quota_resets_at = models.DateTimeField(null=True, blank=True)
    quota_poll_cost = models.FloatField(
        null=True, blank=True, help_text="credits that the last whole poll cost"
    )
    paced_interval_seconds = models.FloatField(
        null=True,
        blank=True,
        help_text="slowed down to this, so that the credits last; empty while they do anyway",
    )
    generation = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="raised when its circuit opens: what was admitted before is not trusted",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["key"]
        constraints = [
            models.CheckConstraint(
                name="provider_intervals_positive",
                condition=Q(interval_seconds__gt=0) & Q(stale_after_seconds__gt=0),
            ),
            models.CheckConstraint(
                name="provider_odds_format_known",
                condition=Q(odds_format__in=["decimal", "american"]),
            ),
            models.CheckConstraint(
                name="provider_clock_known", condition=Q(clock__in=Clock.values)
            ),
        ]
        indexes = [
            # tick: enabled providers whose next poll is due
            models.Index(name="provider_due", fields=["next_poll_at"], condition=Q(enabled=True)),
        ]

    def __str__(self) -> str:
        return self.key


class Feed(models.Model):
    """One request of a provider: a complete answer to it lists every quote that it owns.

    An unchanged poll writes this one row: `observed_at` is the heartbeat of all its quotes.
    """

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="feeds")
    key = models.CharField(max_length=2000, help_text="request path and markets, never a secret")
    observed_at = models.DateTimeField(help_text="arrival of the newest answer ingested")
    generation = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="the provider's when a complete answer was last ingested; "
        "below it, the feed's quotes are quarantined",
    )

    class Meta:
        ordering = ["provider", "key"]
        constraints = [
            models.UniqueConstraint(name="feed_provider_key_unique", fields=["provider", "key"]),
        ]

    def __str__(self) -> str:
        return self.key
