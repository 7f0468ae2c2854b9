"""The failures and deliveries in the product's rows, for `streaming.chaos.soundness`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Max, Sum

from streaming.chaos.receiver import Receiver
from streaming.chaos.soundness import Arrivals, Ends
from streaming.dead_letters.replay import request_replays
from streaming.models import (
    DeadLetter,
    DeadLetterOccurrence,
    DeliveryOutcome,
    DeliveryRun,
    LetterStatus,
    PollRun,
    WebhookSubscriber,
)
from streaming.notifications.bus import DELIVER
from streaming.notifications.webhooks import subscribe

_NAME = "chaos"


@dataclass(frozen=True, slots=True)
class Mark:
    """The end of what there was before a seed.

    Attributes:
        ends: the failures that were counted.
        poll, delivery: the newest row of a poll, and of a delivery.
    """

    ends: Collection[UUID]
    poll: int
    delivery: int


def mark() -> Mark:
    """Return the present end."""
    return Mark(
        frozenset(DeadLetterOccurrence.objects.values_list("end", flat=True)),
        PollRun.objects.aggregate(newest=Max("pk"))["newest"] or 0,
        DeliveryRun.objects.aggregate(newest=Max("pk"))["newest"] or 0,
    )


def read_ends(since: Mark) -> Ends:
    """Read all failures that were counted, and what there was to count since."""
    answers = PollRun.objects.filter(pk__gt=since.poll)
    samples = answers.exclude(left_out=0).values_list("left_out_reasons", flat=True)
    missed = DeliveryRun.objects.filter(pk__gt=since.delivery)
    return Ends(
        kinds=dict(DeadLetterOccurrence.objects.values_list("end", "kind")),
        counted=DeadLetter.objects.aggregate(counted=Sum("count"))["counted"] or 0,
        answers=answers.filter(failure_kind="data").count(),
        samples=sum(map(len, samples)),
        missed=missed.exclude(outcome=DeliveryOutcome.DELIVERED).count(),
    )


def read_arrivals() -> Arrivals:
    """Read how all deliveries to the receiver of chaos have ended."""
    arrived = DeliveryRun.objects.filter(outcome=DeliveryOutcome.DELIVERED)
    runs = arrived.values_list("delivery_id", "started_at", "duration_ms")
    letters = DeadLetter.objects.filter(task=DELIVER).values_list("args", flat=True)
    return Arrivals(
        {delivery: _ended(started, took) for delivery, started, took in runs},
        {UUID(args[1]) for args in letters if len(args) > 1},
    )


def _ended(started_at: datetime, duration_ms: float) -> datetime:
    return started_at + timedelta(milliseconds=duration_ms)


def replay_missed() -> int:
    """Ask for the replay of every delivery that was put aside, as a person does."""
    missed = DeadLetter.objects.filter(task=DELIVER, status=LetterStatus.NEW)
    return request_replays(missed, by=_NAME)


def subscribe_receiver(receiver: Receiver) -> None:
    """Send the receiver every notification from now on."""
    subscribe(WebhookSubscriber(name=_NAME, url=receiver.url))
