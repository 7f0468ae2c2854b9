"""The records of subscribers in the database: their breakers, and how their deliveries went.

`streaming.core.breaker` decides; this module reads and writes its decisions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from django.db import transaction
from django.db.models import Q

from streaming.core import histogram
from streaming.core.breaker import Breaker, CallOutcome, decide, record
from streaming.core.suppression import SuppressionPolicy
from streaming.models import AlertSubscriber, SubscriberRecord, WebhookSubscriber
from streaming.notifications.handlers import handler_routes

MAX_ERROR_CHARS = 200

_SIGNS = str.maketrans({"s": ".", "f": "x"})
_FROM_SIGNS = str.maketrans({"x": "f"})
"""In a row the latest deliveries are newest first, and `x` stands for one that failed."""


class Admission(Enum):
    """The decision on a delivery.

    Attributes:
        DELIVER: make it.
        WAIT: wait for the probe under way, which soon decides between DELIVER and HOLD.
        HOLD: put it aside.
    """

    DELIVER = "deliver"
    WAIT = "wait"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class SubscriberHealth:
    """The health of a subscriber: its deliveries until one moment.

    Attributes:
        row: its record; an unsaved one before its first delivery.
        is_enabled: whether notifications are sent to it.
        now: the moment.
    """

    row: SubscriberRecord
    is_enabled: bool
    now: datetime

    @property
    def words(self) -> str:
        """Its state in words: whether it is well, and if not, what happens next."""
        until = self.row.suppressed_until
        if until is None:
            return "well" if self.row.consecutive_failures == 0 else "failing"
        seconds = (until - self.now).total_seconds()
        return f"suppressed for {seconds:.0f} s" if seconds > 0 else "next delivery is a probe"

    @property
    def failure_rate(self) -> float:
        """The part of the latest deliveries that failed, 0 to 1."""
        return breaker_of(self.row).failure_rate

    def as_json(self) -> dict[str, Any]:
        """Return all that is known of the subscriber, as JSON values."""
        row, until = self.row, self.row.suppressed_until
        return {
            "subscriber": row.subscriber,
            "enabled": self.is_enabled,
            "state": self.words,
            "deliveries": row.deliveries,
            "failures": row.failures,
            "consecutive_failures": row.consecutive_failures,
            "failure_rate": self.failure_rate,
            "suppressed_until": None if until is None else until.isoformat(),
            "last_error": row.last_error,
            "p50_ms": histogram.quantile_ms(row.latencies, 0.5),
            "p95_ms": histogram.quantile_ms(row.latencies, 0.95),
        }


def health_of_all() -> list[SubscriberHealth]:
    """Return the health of all webhooks, alerts and handlers of this process, in 3 statements."""
    now = datetime.now(UTC)
    enabled = dict.fromkeys((each.subscriber for each in handler_routes()), True)
    enabled |= {each.key: each.enabled for each in WebhookSubscriber.objects.all()}
    enabled |= {each.key: each.enabled for each in AlertSubscriber.objects.all()}
    rows = {row.subscriber: row for row in SubscriberRecord.objects.filter(subscriber__in=enabled)}
    return [
        SubscriberHealth(rows.get(key) or SubscriberRecord(subscriber=key), is_enabled, now)
        for key, is_enabled in enabled.items()
    ]


def admit(subscriber: str, now: datetime, lease_seconds: float) -> Admission:
    """Decide about a delivery now; where it is to be the probe, claim that.

    Args:
        subscriber: its key.
        now: the time.
        lease_seconds: how long the probe may take before another is let through.
    """
    row = SubscriberRecord.objects.filter(subscriber=subscriber).first()
    breaker = Breaker() if row is None else breaker_of(row)
    verdict = decide(breaker, now).verdict
    if verdict == "probe":
        is_claimed = _claim_probe(subscriber, now, lease_seconds)
        return Admission.DELIVER if is_claimed else Admission.WAIT
    if verdict == "pass":
        return Admission.DELIVER
    return Admission.WAIT if breaker.state == "half_open" else Admission.HOLD


def suppressed_subscribers(now: datetime) -> frozenset[str]:
    """Return the keys of the subscribers that now get nothing delivered, or a single probe."""
    is_held = Q(suppressed_until__gt=now) | Q(probe_until__gt=now)
    return frozenset(SubscriberRecord.objects.filter(is_held).values_list("subscriber", flat=True))


def note(subscriber: str, policy: SuppressionPolicy, call: CallOutcome, now: datetime) -> Breaker:
    """Add a delivery that ended now to its subscriber's record.

    Returns:
        The subscriber's breaker with this delivery counted.
    """
    SubscriberRecord.objects.bulk_create(
        [SubscriberRecord(subscriber=subscriber)], ignore_conflicts=True
    )
    with transaction.atomic():
        row = SubscriberRecord.objects.select_for_update().get(subscriber=subscriber)
        after = record(breaker_of(row), policy.breaker, call, now)
        has_failed = call.kind is not None
        SubscriberRecord.objects.filter(pk=row.pk).update(
            deliveries=row.deliveries + 1,
            failures=row.failures + has_failed,
            last_error=call.reason[:MAX_ERROR_CHARS] if has_failed else row.last_error,
            latencies=histogram.with_latest(tuple(row.latencies), call.seconds * 1_000),
            **_columns(after),
        )
    return after


def breaker_of(row: SubscriberRecord) -> Breaker:
    """Convert a record to the core's state."""
    is_open = row.suppressed_until is not None
    is_probed = row.probe_until is not None
    return Breaker(
        state="half_open" if is_probed else "open" if is_open else "closed",
        failures=row.consecutive_failures,
        recent=row.recent[::-1].translate(_FROM_SIGNS),
        step=row.suppressions,
        retry_at=None if is_probed else row.suppressed_until,
        probe_until=row.probe_until,
        reason=row.last_error,
    )


def _columns(after: Breaker) -> dict[str, Any]:
    """Return what a record keeps of a breaker after a delivery, which leaves none half-open."""
    return {
        "consecutive_failures": after.failures,
        "recent": after.recent[::-1].translate(_SIGNS),
        "suppressions": 0 if after.state == "closed" else after.step,
        "suppressed_until": after.retry_at,
        "probe_until": after.probe_until,
    }


def _claim_probe(subscriber: str, now: datetime, lease_seconds: float) -> bool:
    """Claim the probe; return True for the one delivery whose update claimed it."""
    due = SubscriberRecord.objects.filter(
        Q(probe_until__isnull=True) | Q(probe_until__lte=now),
        subscriber=subscriber,
        suppressed_until__lte=now,
    )
    return bool(due.update(probe_until=now + timedelta(seconds=lease_seconds)))
