"""Operators' decisions on which events of different providers are the same."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from betting.models.event import Event
from betting.models.provider import Provider
from streaming.core.matching import Reason

NAME_LENGTH = 400
"""The length of normalised names, which may exceed that of the original names."""


class ParticipantAlias(models.Model):
    """A name that stands for another wherever events of a sport's family are matched.

    Both are stored as `streaming.core.participants.normalise` returns them. The canonical name may
    stand for yet another; a trigger informs running workers of every change.
    """

    family = models.CharField(max_length=64, help_text="the sport's key up to its first underscore")
    name = models.CharField(max_length=NAME_LENGTH, help_text="the name that a provider uses")
    canonical = models.CharField(max_length=NAME_LENGTH, help_text="the name it stands for")

    class Meta:
        verbose_name_plural = "participant aliases"
        ordering = ["family", "canonical", "name"]
        constraints = [
            # events: the aliases of a family
            models.UniqueConstraint(
                name="participant_alias_name_unique", fields=["family", "name"]
            ),
            models.CheckConstraint(
                name="participant_alias_names_two",
                condition=~Q(name="") & ~Q(canonical="") & ~Q(name=F("canonical")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} = {self.canonical}"


class DoubtReason(models.TextChoices):
    """The reason why two events are not matched without a decision; see `Reason`."""

    START = Reason.START.value, "the starts differ"
    SIDES = Reason.SIDES.value, "home and away are swapped"
    NAME = Reason.NAME.value, "a name is merely similar, or one side alone is equal"
    SEVERAL = Reason.SEVERAL.value, "more than one fits"
    SPORT = Reason.SPORT.value, "the competitions differ"


class MatchDecision(models.TextChoices):
    """An operator's decision about a doubtful match."""

    OPEN = "open", "open"
    SAME = "same", "same event"
    DIFFERENT = "different", "different events"


class DoubtfulMatch(models.Model):
    """Two events that may be the same: the provider's is kept apart until an operator decides.

    Each pair is asked about once. `streaming.ingest.match_review` writes the decision.
    """

    event = models.ForeignKey(
        Event,
        on_delete=models.CASCADE,
        related_name="doubts",
        db_index=False,
        help_text="the event that was left apart",
    )
    candidate = models.ForeignKey(
        Event,
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,
        help_text="the event that it may be",
    )
    provider = models.ForeignKey(
        Provider,
        on_delete=models.CASCADE,
        db_index=False,
        help_text="whose event was left apart",
    )
    reason = models.CharField(max_length=8, choices=DoubtReason)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    decision = models.CharField(
        max_length=9,
        choices=MatchDecision,
        default=MatchDecision.OPEN,
        db_default=MatchDecision.OPEN,
    )
    decided_by = models.CharField(max_length=150, default="", db_default="", blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "doubtful matches"
        ordering = ["-id"]
        constraints = [
            # decisions and removal: the doubts about an event
            models.UniqueConstraint(
                name="doubtful_match_pair_unique", fields=["event", "candidate"]
            ),
            models.CheckConstraint(
                name="doubtful_match_of_two_events", condition=~Q(event=F("candidate"))
            ),
            models.CheckConstraint(
                name="doubtful_match_reason_known", condition=Q(reason__in=DoubtReason.values)
            ),
            models.CheckConstraint(
                name="doubtful_match_decision_known", condition=Q(decision__in=MatchDecision.values)
            ),
            models.CheckConstraint(
                name="doubtful_match_decided_by_someone",
                condition=Q(decision="open", decided_by="", decided_at__isnull=True)
                | (~Q(decision="open") & ~Q(decided_by="") & Q(decided_at__isnull=False)),
            ),
        ]
        indexes = [
            # decisions and removal: what was left apart from an event
            models.Index(name="doubtful_match_candidate", fields=["candidate"]),
        ]

    def __str__(self) -> str:
        return f"{self.event} or {self.candidate}?"
