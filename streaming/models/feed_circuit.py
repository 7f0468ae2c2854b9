"""The circuit of each feed that polls ask for."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from betting.models import Provider
from streaming.models.circuit import MAX_RECENT, CircuitState


class FeedCircuit(models.Model):
    """One feed that the polls of its provider ask for, and whether they leave it out at present.

    There is a row for every feed that polls ask for, even if it never answered, and none for any
    other: `streaming.polling.feed_circuits` keeps them so. `streaming.core.breaker` explains
    the state.
    """

    provider = models.ForeignKey(
        Provider, on_delete=models.CASCADE, related_name="feed_circuits", db_index=False
    )
    feed = models.CharField(max_length=2000, help_text="as the key of its `Feed`")
    state = models.CharField(
        max_length=9, choices=CircuitState, default=CircuitState.CLOSED, db_default="closed"
    )
    since = models.DateTimeField(null=True, blank=True)
    failures = models.IntegerField(default=0, db_default=0, help_text="in a row")
    recent = models.CharField(
        max_length=MAX_RECENT,
        blank=True,
        default="",
        db_default="",
        help_text="the latest calls, newest last: . good, f failed",
    )
    step = models.IntegerField(
        default=0, db_default=0, help_text="openings since the waits started over"
    )
    retry_at = models.DateTimeField(null=True, blank=True, help_text="when it is asked again")
    probe = models.BigIntegerField(default=0, db_default=0, help_text="number of the newest probe")
    reason = models.CharField(max_length=500, blank=True, default="", db_default="")
    advice = models.CharField(
        max_length=500, blank=True, default="", db_default="", help_text="what a person has to do"
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["provider", "feed"]
        constraints = [
            # one circuit a feed; a poll reads those of its provider
            models.UniqueConstraint(name="feed_circuit_unique", fields=["provider", "feed"]),
            models.CheckConstraint(
                name="feed_circuit_state_known", condition=Q(state__in=["closed", "open"])
            ),
            models.CheckConstraint(
                name="feed_circuit_retries_while_open",
                condition=Q(state="open", retry_at__isnull=False)
                | Q(state="closed", retry_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.feed}: {self.get_state_display()}"
