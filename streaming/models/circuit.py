"""The circuit of each provider, and every change of it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from betting.config import get_config
from betting.models import Provider
from streaming.core.percentages import percent
from streaming.core.poll_plan import PollPlan
from streaming.core.throttle import CallHistory, RiskAssessment, ThrottlePolicy, assess


class CircuitState(models.TextChoices):
    """The state of a circuit: whether calls pass."""

    CLOSED = "closed", "closed"
    OPEN = "open", "open"
    HALF_OPEN = "half_open", "half-open"


class CircuitMode(models.TextChoices):
    """The mode of a circuit: whether it acts by itself or as an operator commanded."""

    AUTOMATIC = "automatic", "automatic"
    FORCED_OPEN = "forced_open", "forced open"
    FORCED_CLOSED = "forced_closed", "forced closed"
    DISABLED = "disabled", "disabled"


MAX_RECENT = 1_000
"""Calls that a circuit's window can hold."""


MAX_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Risk(RiskAssessment):
    """A risk with what the throttle makes of it.

    Attributes:
        held: polls that were held back so far, or would have been.
        is_acting: whether the throttle holds polls back; otherwise it is a shadow.
    """

    held: int = 0
    is_acting: bool = False

    @property
    def words(self) -> str:
        """The risk, its reason and what the throttle does, for a page."""
        words = f"{self.score:.2f}: {self.reason}" if self.reason else f"{self.score:.2f}"
        does = "holds back" if self.is_acting else "the throttle would hold back"
        if self.share:
            words += f"; {does} {percent(self.share)} of the polls"
        if self.held:
            words += f"; {self.held} {'poll' if self.held == 1 else 'polls'} so far"
        return words


def risk_of(history: Mapping[str, float] | str | None) -> Risk | None:
    """Return the risk by a stored history of calls; None if there is none, or it is not used."""
    mode = get_config().circuit_throttle
    if history is None or mode == "off":
        return None
    known = CallHistory.of(history)
    found = assess(known, ThrottlePolicy())
    return Risk(found.score, found.reason, found.share, known.held, mode == "on")


def plan_of(document: Mapping[str, Any] | str | None) -> PollPlan | None:
    """Return a stored plan of polls; None if there is none, or it is not used."""
    if document is None or get_config().poll.adaptive == "off":
        return None
    with suppress(msgspec.MsgspecError):  # the next poll begins a new one
        return PollPlan.of(document)
    return None


def _unset_or(field: str, **lookups: object) -> Q:
    """Return the condition that a field is empty or fulfils the lookups."""
    held = Q(**{f"{field}__{lookup}": value for lookup, value in lookups.items()})
    return Q(**{f"{field}__isnull": True}) | held


class Circuit(models.Model):
    """The circuit of a provider; `streaming.core.breaker` explains each field.

    The lower half overrides the configured policy for this provider; empty means the default.
    """

    provider = models.OneToOneField(Provider, on_delete=models.CASCADE, related_name="circuit")
    state = models.CharField(
        max_length=9, choices=CircuitState, default=CircuitState.CLOSED, db_default="closed"
    )
    mode = models.CharField(
        max_length=13, choices=CircuitMode, default=CircuitMode.AUTOMATIC, db_default="automatic"
    )
    since = models.DateTimeField(null=True, blank=True)
    failures = models.IntegerField(default=0, db_default=0, help_text="in a row")
    recent = models.CharField(
        max_length=MAX_RECENT,
        blank=True,
        default="",
        db_default="",
        help_text="the latest calls, newest last: . good, s slow, f failed",
    )
    step = models.IntegerField(
        default=0, db_default=0, help_text="openings since the waits started over"
    )
    retry_at = models.DateTimeField(
        null=True, blank=True, help_text="the next probe; empty while an operator holds it open"
    )
    probe = models.BigIntegerField(default=0, db_default=0, help_text="number of the newest probe")
    probe_until = models.DateTimeField(null=True, blank=True, help_text="end of its lease")
    successes = models.IntegerField(default=0, db_default=0, help_text="probes in a row")
    pause_until = models.DateTimeField(
        null=True, blank=True, help_text="before then the provider does not want to be asked"
    )
    reason = models.CharField(max_length=500, blank=True, default="", db_default="")
    advice = models.CharField(
        max_length=500, blank=True, default="", db_default="", help_text="what a person has to do"
    )
    call_history = models.JSONField(
        null=True,
        blank=True,
        help_text="of the calls, by which the risk of the next ones is assessed",
    )
    poll_plan = models.JSONField(
        null=True, blank=True, help_text="when the provider would be polled next, and why"
    )
    poll_memory = models.JSONField(
        null=True, blank=True, help_text="of its feeds: starts of events, and polls by time to them"
    )
    version = models.BigIntegerField(
        default=0, db_default=0, help_text="raised by every write, so that a claim is made once"
    )

    open_after_failures = models.PositiveIntegerField(null=True, blank=True)
    failure_rate = models.FloatField(null=True, blank=True)
    slow_call_rate = models.FloatField(null=True, blank=True)
    slow_call_seconds = models.FloatField(null=True, blank=True)
    window_calls = models.PositiveIntegerField(null=True, blank=True)
    min_calls = models.PositiveIntegerField(null=True, blank=True)
    backoff_seconds = ArrayField(
        models.FloatField(validators=[MinValueValidator(0.001), MaxValueValidator(MAX_SECONDS)]),
        null=True,
        blank=True,
    )
    jitter_fraction = models.FloatField(null=True, blank=True)
    close_after_successes = models.PositiveIntegerField(null=True, blank=True)
    forget_after_seconds = models.FloatField(null=True, blank=True)
    probe_lease_seconds = models.FloatField(null=True, blank=True)

    class Meta:
        ordering = ["provider"]
        constraints = [
            models.CheckConstraint(
                name="circuit_state_known", condition=Q(state__in=CircuitState.values)
            ),
            models.CheckConstraint(
                name="circuit_mode_known", condition=Q(mode__in=CircuitMode.values)
            ),
            models.CheckConstraint(
                name="circuit_probes_while_half_open",
                condition=Q(probe_until__isnull=True) | Q(state="half_open"),
            ),
            models.CheckConstraint(
                name="circuit_retries_while_open",
                condition=Q(retry_at__isnull=True) | Q(state="open"),
            ),
            models.CheckConstraint(
                name="circuit_policy_makes_sense",
                condition=_unset_or("open_after_failures", gt=0)
                & _unset_or("window_calls", range=(1, MAX_RECENT))
                & _unset_or("min_calls", gt=0)
                & _unset_or("close_after_successes", gt=0)
                & _unset_or("slow_call_seconds", gt=0, lte=MAX_SECONDS)
                & _unset_or("probe_lease_seconds", gt=0, lte=MAX_SECONDS)
                & _unset_or("forget_after_seconds", gte=0, lte=MAX_SECONDS)
                & _unset_or("backoff_seconds", len__gt=0),
                violation_error_message="Counts and seconds have to be above 0, seconds at most "
                f"a day, the window at most {MAX_RECENT} calls; there has to be a wait.",
            ),
            models.CheckConstraint(
                name="circuit_rates_are_fractions",
                condition=_unset_or("failure_rate", range=(0, 1))
                & _unset_or("slow_call_rate", range=(0, 1))
                & _unset_or("jitter_fraction", range=(0, 1)),
                violation_error_message="Rates and the jitter are fractions from 0 to 1.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider}: {self.get_state_display()}"

    @property
    def risk(self) -> Risk | None:
        """The risk of the provider's next calls; None while none is assessed."""
        return risk_of(self.call_history)

    @property
    def plan(self) -> PollPlan | None:
        """The plan of the provider's polls; None while there is none."""
        return plan_of(self.poll_plan)


class CircuitTransition(models.Model):
    """One change of a circuit's state or mode, with its cause and the user who made it, if any."""

    provider = models.ForeignKey(
        Provider, on_delete=models.CASCADE, related_name="transitions", db_index=False
    )
    feed = models.CharField(
        max_length=2000,
        blank=True,
        default="",
        db_default="",
        help_text="whose circuit it is; empty for the provider's own",
    )
    at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)
    from_state = models.CharField(max_length=9, choices=CircuitState)
    to_state = models.CharField(max_length=9, choices=CircuitState)
    mode = models.CharField(max_length=13, choices=CircuitMode)
    reason = models.CharField(max_length=500)
    advice = models.CharField(max_length=500, blank=True, db_default="")
    retry_at = models.DateTimeField(null=True, blank=True)
    actor = models.CharField(
        max_length=150, blank=True, db_default="", help_text="who; empty when the calls decided"
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(name="circuit_transition_has_a_reason", condition=~Q(reason="")),
        ]
        indexes = [
            # a provider's latest transitions
            models.Index(name="circuit_transition_provider", fields=["provider", "-id"]),
            # transitions in a window; retention
            models.Index(name="circuit_transition_recorded", fields=["recorded_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.from_state} → {self.to_state}"
