"""One row for every poll of a provider."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from betting.models import Provider


class PollOutcome(models.TextChoices):
    """The outcome of a poll's request."""

    OK = "ok", "ingested"
    SUPERSEDED = "superseded", "older than what is known"
    HELD = "held", "not before a complete answer"
    REPEATED = "repeated", "same request moments ago"
    REFUSED = "refused", "refused by the circuit"
    PAGE = "page", "a page, before the last"
    FAILED = "failed", "failed"


NOT_REQUESTED = (PollOutcome.REPEATED, PollOutcome.REFUSED)
"""Outcomes of runs that sent no request."""


class PollRun(models.Model):
    """One request to a provider and its result.

    Partitioned by `started_at`, part of the primary key of the database: `betting.db.partitions`.
    """

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, db_index=False)
    feed = models.CharField(max_length=2000, help_text="request path and markets, never a secret")
    started_at = models.DateTimeField(db_default=Now())
    outcome = models.CharField(max_length=10, choices=PollOutcome)
    failure_kind = models.CharField(
        max_length=9, blank=True, db_default="", help_text="transient, permanent or data"
    )
    failure_code = models.CharField(max_length=64, blank=True, db_default="")
    failure_message = models.CharField(max_length=500, blank=True, db_default="")
    failure_advice = models.CharField(
        max_length=500, blank=True, db_default="", help_text="what a person can do about it"
    )
    http_status = models.IntegerField(null=True, blank=True)
    duration_ms = models.FloatField(help_text="from the request to the commit")
    response_bytes = models.BigIntegerField(default=0, db_default=0)
    quotes_seen = models.IntegerField(default=0, db_default=0)
    changes = models.IntegerField(default=0, db_default=0)
    left_out = models.IntegerField(
        default=0, db_default=0, help_text="records of the answer that could not be read"
    )
    left_out_reasons = models.JSONField(
        default=list,
        db_default=[],
        help_text="one object a reason: its count, and the place and message of the first record",
    )
    texts_cleaned = models.IntegerField(
        default=0,
        db_default=0,
        help_text="texts from which control and direction characters were removed",
    )
    quota_remaining = models.FloatField(null=True, blank=True)
    quota_cost = models.FloatField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="poll_run_outcome_known", condition=Q(outcome__in=PollOutcome.values)
            ),
            models.CheckConstraint(
                name="poll_run_failure_is_named",
                condition=Q(outcome="failed") & ~Q(failure_code="")
                | ~Q(outcome="failed") & Q(failure_code=""),
            ),
            models.CheckConstraint(
                name="poll_run_left_out_is_told",
                condition=Q(left_out=0, left_out_reasons=[])
                | Q(left_out__gt=0) & ~Q(left_out_reasons=[]),
            ),
        ]
        indexes = [
            # a provider's latest polls
            models.Index(name="poll_run_provider", fields=["provider", "-id"]),
            # rates over a window; each feed's newest answer, for health; retention
            models.Index(name="poll_run_started", fields=["started_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.feed} {self.outcome}"
