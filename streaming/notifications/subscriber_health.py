"""The records of subscribers in the database, and the claim of a suppressed one's probe.

`streaming.core.suppression` decides what a record means.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from streaming.core.histogram import quantile_ms
from streaming.core.suppression import (
    Decision,
    Outcome,
    SubscriberState,
    SuppressionPolicy,
    decide,
    record,
)
from streaming.models import SubscriberRecord, WebhookSubscriber
from streaming.notifications.handlers import handler_routes

_FIELDS = (
    "deliveries",
    "failures",
    "consecutive_failures",
    "recent",
    "suppressions",
    "suppressed_until",
    "probe_until",
    "last_error",
    "latencies",
)


@dataclass(frozen=True, slots=True)
class Standing:
    """The record of a subscriber at one moment.

    Attributes:
        subscriber: its key.
        is_enabled: whether notifications are sent to it.
        state: its deliveries so far.
        now: the moment.
    """

    subscriber: str
    is_enabled: bool
    state: SubscriberState
    now: datetime

    @property
    def words(self) -> str:
        """Its state in words: whether it is well, and if not, what happens next."""
        until = self.state.suppressed_until
        if until is None:
            return "well" if self.state.consecutive_failures == 0 else "failing"
        seconds = (until - self.now).total_seconds()
        return f"suppressed for {seconds:.0f} s" if seconds > 0 else "next delivery is a probe"

    def facts(self) -> dict[str, Any]:
        """Return all that is known of the subscriber, as JSON values."""
        state = self.state
        until = state.suppressed_until
        return {
            "subscriber": self.subscriber,
            "enabled": self.is_enabled,
            "state": self.words,
            "deliveries": state.deliveries,
            "failures": state.failures,
            "consecutive_failures": state.consecutive_failures,
            "failure_rate": state.failure_rate,
            "suppressed_until": None if until is None else until.isoformat(),
            "last_error": state.last_error,
            "p50_ms": quantile_ms(state.latencies, 0.5),
            "p95_ms": quantile_ms(state.latencies, 0.95),
        }


def standings() -> list[Standing]:
    """Return the standing of every webhook and every handler of this process, in two statements."""
    now = datetime.now(UTC)
    webhooks = {each.key: each.enabled for each in WebhookSubscriber.objects.all()}
    enabled = {**dict.fromkeys((each.subscriber for each in handler_routes()), True), **webhooks}
    rows = {row.subscriber: row for row in SubscriberRecord.objects.filter(subscriber__in=enabled)}
    return [
        Standing(key, is_on, state_of(rows[key]) if key in rows else SubscriberState(), now)
        for key, is_on in enabled.items()
    ]


def admit(subscriber: str, now: datetime, lease_seconds: float) -> Decision:
    """Decide about a delivery now; a probe is claimed, so the decision is never `PROBE`.

    Args:
        subscriber: its key.
        now: the time.
        lease_seconds: how long the probe may take before another is let through.
    """
    row = SubscriberRecord.objects.filter(subscriber=subscriber).first()
    decision = Decision.DELIVER if row is None else decide(state_of(row), now)
    if decision is not Decision.PROBE:
        return decision
    return Decision.DELIVER if _claim_probe(subscriber, now, lease_seconds) else Decision.WAIT


def suppressed_subscribers(now: datetime) -> frozenset[str]:
    """Return the keys of the subscribers that now get nothing delivered, or a single probe."""
    is_held = Q(suppressed_until__gt=now) | Q(probe_until__gt=now)
    return frozenset(SubscriberRecord.objects.filter(is_held).values_list("subscriber", flat=True))


def note(
    subscriber: str, policy: SuppressionPolicy, outcome: Outcome, now: datetime
) -> SubscriberState:
    """Add a delivery that ended now to its subscriber's record.

    Returns:
        The subscriber's state with this delivery counted.
    """
    SubscriberRecord.objects.bulk_create(
        [SubscriberRecord(subscriber=subscriber)], ignore_conflicts=True
    )
    with transaction.atomic():
        row = SubscriberRecord.objects.select_for_update().get(subscriber=subscriber)
        state = record(state_of(row), policy, outcome, now)
        SubscriberRecord.objects.filter(pk=row.pk).update(
            **{name: getattr(state, name) for name in _FIELDS}
        )
    return state


def state_of(row: SubscriberRecord) -> SubscriberState:
    """Convert a record to the core's state."""
    values = {name: getattr(row, name) for name in _FIELDS}
    return SubscriberState(**{**values, "latencies": tuple(row.latencies)})


def _claim_probe(subscriber: str, now: datetime, lease_seconds: float) -> bool:
    """Claim the probe; return True for the one delivery whose update claimed it."""
    due = SubscriberRecord.objects.filter(
        Q(probe_until__isnull=True) | Q(probe_until__lte=now),
        subscriber=subscriber,
        suppressed_until__lte=now,
    )
    return bool(due.update(probe_until=now + timedelta(seconds=lease_seconds)))
