"""Snapshots of the health of the whole, taken every few seconds."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from streaming.core.health import Status


class HealthStatus(models.TextChoices):
    """The status of a check or of the whole: `streaming.core.health.Status`."""

    PASS = Status.PASS.value, "pass"
    WARN = Status.WARN.value, "warn"
    UNKNOWN = Status.UNKNOWN.value, "unknown"
    FAIL = Status.FAIL.value, "fail"


class HealthSnapshot(models.Model):
    """The checks at one moment, and the totals of all work done until shortly before.

    `totals` only ever grow, from one snapshot to the next. What was done within a window is the
    difference between two of them, however many rows it left behind.
    """

    taken_at = models.DateTimeField()
    status = models.CharField(max_length=7, choices=HealthStatus)
    score = models.IntegerField(help_text="0 to 100")
    checks = models.JSONField(default=dict, help_text="check → what was seen, and since when")
    workers = models.JSONField(default=dict, help_text="queue → workers that take from it")
    edges_open = models.IntegerField(
        null=True, blank=True, help_text="edges that nothing had closed, stale ones included"
    )
    counted_until = models.DateTimeField(
        help_text="what ended before this is in the totals; a little earlier than the snapshot, "
        "for a row is seen when its transaction commits"
    )
    totals = models.JSONField(default=dict, help_text="what was done, since the first snapshot")
    hints_dropped = models.BigIntegerField(
        default=0, help_text="as Redis counted; the totals go on when it starts again"
    )

    outlook = models.JSONField(
        null=True,
        blank=True,
        help_text="the score weighted by consequence, burn rates, and when resources run out; "
        "nothing acts upon it",
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="health_snapshot_status_known",
                condition=Q(status__in=HealthStatus.values),
            ),
            models.CheckConstraint(
                name="health_snapshot_score_in_range", condition=Q(score__range=(0, 100))
            ),
        ]
        indexes = [
            # the trend; the last one before a window; retention
            models.Index(name="health_snapshot_taken", fields=["taken_at"]),
            # the totals before a window
            models.Index(name="health_snapshot_counted", fields=["counted_until"]),
        ]

    def __str__(self) -> str:
        return f"{self.status}, {self.score}"
