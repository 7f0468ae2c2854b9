"""Captured baselines."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class BaselineSnapshot(models.Model):
    """A window of the stream's life, as `streaming.benchmark.baseline.Baseline` describes it."""

    label = models.CharField(max_length=100, blank=True, default="", db_default="")
    captured_at = models.DateTimeField(db_default=Now())
    seconds = models.FloatField(help_text="length of the window")
    schema = models.IntegerField(help_text="of the document")
    baseline = models.JSONField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="baseline_snapshot_has_a_window", condition=Q(seconds__gt=0)
            ),
        ]
        indexes = [
            # retention
            models.Index(name="baseline_snapshot_captured", fields=["captured_at"]),
        ]

    def __str__(self) -> str:
        return self.label or f"{self.seconds:.0f} s"
