"""Dead letters: work that failed for good, and what people did about it."""

from __future__ import annotations

from datetime import UTC

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from streaming.core.letter_words import letter_sentence
from streaming.core.letters import Kind


class LetterKind(models.TextChoices):
    """The way in which the work failed; the kinds of `streaming.core.letters`."""

    EXCEPTION = Kind.EXCEPTION.value, "exception"
    TIME_LIMIT = Kind.TIME_LIMIT.value, "time limit"
    WORKER_LOST = Kind.WORKER_LOST.value, "worker lost"
    UNKNOWN_TASK = Kind.UNKNOWN_TASK.value, "unknown task"
    UNDECODABLE = Kind.UNDECODABLE.value, "undecodable"
    REJECTED = Kind.REJECTED.value, "rejected"
    RESULT = Kind.RESULT.value, "result not storable"
    HOOK = Kind.HOOK.value, "failed around the task"
    PAYLOAD = Kind.PAYLOAD.value, "poisoned payload"
    DELIVERY = Kind.DELIVERY.value, "exhausted delivery"


class LetterStatus(models.TextChoices):
    """The status of a dead letter."""

    NEW = "new", "new"
    REPLAYING = "replaying", "being replayed"
    REPLAYED = "replayed", "replayed"
    HEALED = "healed", "healed"
    DISCARDED = "discarded", "discarded"


class DeadLetter(models.Model):
    """One piece of work that failed, however often it failed the same way.

    Attributes:
        is_complete: whether the arguments are complete: none was too large, none a blanked secret.
        digest: see `streaming.core.letters.digest`; equal letters are one row.
    """

    kind = models.CharField(max_length=12, choices=LetterKind)
    task = models.CharField(max_length=255, blank=True)
    args = models.JSONField(default=list)
    kwargs = models.JSONField(default=dict)
    is_complete = models.BooleanField(default=True)
    body = models.TextField(blank=True, help_text="what came, where it could not be read")
    queue = models.CharField(max_length=255, blank=True)
    exception = models.CharField(max_length=255, blank=True)
    message = models.TextField(blank=True)
    traceback = models.TextField(blank=True)
    fingerprint = models.CharField(max_length=16, help_text="the same for letters of one cause")
    digest = models.CharField(max_length=64, editable=False)
    count = models.BigIntegerField(default=1)
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    task_id = models.CharField(max_length=255, blank=True)
    retries = models.IntegerField(default=0)
    worker = models.CharField(max_length=255, blank=True)
    provider = models.CharField(
        max_length=255,
        blank=True,
        help_text="its replay waits until this provider's circuit is closed",
    )
    feed = models.CharField(
        max_length=2000, blank=True, default="", db_default="", help_text="of the provider"
    )
    sentry_event_id = models.CharField(max_length=32, blank=True)
    status = models.CharField(
        max_length=9, choices=LetterStatus, default=LetterStatus.NEW, db_default=LetterStatus.NEW
    )
    discard_reason = models.CharField(max_length=500, blank=True, default="", db_default="")

    class Meta:
        ordering = ["-last_seen", "-id"]
        constraints = [
            # equal letters are one row: what the upsert conflicts with
            models.UniqueConstraint(name="dead_letter_unique", fields=["digest"]),
            models.CheckConstraint(
                name="dead_letter_kind_known", condition=Q(kind__in=LetterKind.values)
            ),
            models.CheckConstraint(
                name="dead_letter_status_known", condition=Q(status__in=LetterStatus.values)
            ),
            models.CheckConstraint(
                name="dead_letter_discarded_for_a_reason",
                condition=Q(status="discarded") & ~Q(discard_reason="")
                | ~Q(status="discarded") & Q(discard_reason=""),
            ),
            models.CheckConstraint(
                name="dead_letter_seen_in_order", condition=Q(first_seen__lte=F("last_seen"))
            ),
        ]
        indexes = [
            # the list; which letters are beyond the bound
            models.Index(name="dead_letter_last_seen", fields=["-last_seen", "-id"]),
            # all letters of one cause
            models.Index(name="dead_letter_fingerprint", fields=["fingerprint"]),
        ]

    def __str__(self) -> str:
        about = (self.provider, self.feed)
        return letter_sentence(self.kind, self.task, self.exception, self.message, about)

    @property
    def last_replay(self) -> str:
        """The end of the latest replay that has ended, for rows of `with_last_replay`."""
        outcome, ended_at, error = (
            getattr(self, f"last_replay_{name}", None) for name in ("outcome", "ended_at", "error")
        )
        if not outcome or ended_at is None:
            return ""
        words = f"{ActionOutcome(outcome).label}, {ended_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        return f"{words}: {error}" if error else words


class DeadLetterOccurrence(models.Model):
    """One counted end of one piece of work, so that it is not counted again."""

    end = models.UUIDField(help_text="the letter's id, the same for every report of the end")
    kind = models.CharField(max_length=12, choices=LetterKind)
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            # an end is counted once: what the insert conflicts with
            models.UniqueConstraint(name="dead_letter_occurrence_once", fields=["end"]),
        ]
        indexes = [
            # retention
            models.Index(name="dead_letter_occurrence_seen", fields=["seen_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.end}"


class DeadLetterEviction(models.Model):
    """The number of letters that were evicted in a day because there were too many."""

    day = models.DateField(primary_key=True)
    letters = models.BigIntegerField()

    class Meta:
        ordering = ["-day"]

    def __str__(self) -> str:
        return f"{self.letters} on {self.day}"


class ActionKind(models.TextChoices):
    """The actions that a person can take on a letter."""

    REPLAY = "replay", "replay"
    DISCARD = "discard", "discard"


class ActionOutcome(models.TextChoices):
    """The outcome of an action."""

    WAITING = "waiting", "waiting for its turn"
    SENT = "sent", "sent"
    SUCCEEDED = "succeeded", "succeeded"
    FAILED = "failed", "failed again"
    UNANSWERED = "unanswered", "no answer came"


class DeadLetterAction(models.Model):
    """An action on a letter: by whom it was requested, and its outcome.

    Written before the action is carried out. An entry outlives its letter: `letter_id` may name one
    that was evicted.

    Attributes:
        args: edited arguments; None for the letter's own. The same for `kwargs`.
    """

    letter = models.ForeignKey(
        DeadLetter, on_delete=models.DO_NOTHING, db_constraint=False, related_name="actions"
    )
    action = models.CharField(max_length=7, choices=ActionKind)
    task = models.CharField(max_length=255, blank=True)
    requested_by = models.CharField(max_length=150, help_text="a user's name, or a command's")
    requested_at = models.DateTimeField(db_default=Now())
    args = models.JSONField(null=True, blank=True)
    kwargs = models.JSONField(null=True, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=10, choices=ActionOutcome)
    error = models.CharField(
        max_length=500,
        blank=True,
        default="",
        db_default="",
        help_text="what a replay failed of",
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="dead_letter_action_known", condition=Q(action__in=ActionKind.values)
            ),
            models.CheckConstraint(
                name="dead_letter_action_outcome_known",
                condition=Q(outcome__in=ActionOutcome.values),
            ),
            # one replay of a letter at a time; the queue of those that wait or are on their way
            models.UniqueConstraint(
                name="dead_letter_one_open_replay",
                fields=["letter"],
                condition=Q(outcome__in=["waiting", "sent"]),
            ),
        ]
        indexes = [
            # the replays sent within the last second, for their rate
            models.Index(
                name="dead_letter_action_sent",
                fields=["-sent_at"],
                condition=Q(sent_at__isnull=False),
            ),
            # retention
            models.Index(name="dead_letter_action_requested", fields=["requested_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.requested_by}: {self.outcome}"
