"""Sending the work of dead letters again, and giving letters up.

A replay is a row before it is a message: people ask for any number at once, and a task that beat
drives sends so many a second. Neither a restart nor a lost message loses one: what is not heard of
again becomes a new letter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from celery import current_app
from django.db import connection, transaction
from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Value, When
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from betting.config import DeadLettersConfig
from betting.logs import note
from streaming.deadletters.messages import REPLAY_HEADER
from streaming.models import (
    ActionKind,
    ActionOutcome,
    DeadLetter,
    DeadLetterAction,
    LetterStatus,
)

Gate = Callable[[DeadLetter], bool]
"""Says whether a letter's work may be done now, e.g. whether its provider may be asked."""

OPEN = (ActionOutcome.WAITING, ActionOutcome.SENT)

_LOCK = 0x5245_504C  # an arbitrary number of our own
_OUTAGES = (OperationalError, RedisError)


@dataclass(frozen=True, slots=True)
class Edited:
    """Arguments that a person gives a replay instead of the letter's own; None keeps those."""

    args: Sequence[Any] | None = None
    kwargs: Mapping[str, Any] | None = None


def replayable(letters: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
    """Those of the letters that can be sent again as they are."""
    return letters.exclude(Q(status=LetterStatus.REPLAYING) | Q(task="")).filter(is_complete=True)


def request_replays(letters: QuerySet[DeadLetter], by: str) -> int:
    """Ask for the replay of all these letters that can be replayed as they are.

    Idempotent: a letter that is being replayed already is left alone, whoever asks at once.

    Args:
        letters: which.
        by: who asks.

    Returns:
        Replays that will be sent.
    """
    with transaction.atomic():
        locked = list(replayable(letters).order_by("id").select_for_update().only("id", "task"))
        _open(locked, by, Edited())
    return len(locked)


def request_replay(letter_id: int, by: str, edited: Edited) -> bool:
    """Ask for the replay of one letter with other arguments; see `signatures.fault_of`.

    Returns:
        False when it is gone, has no task, is being replayed already, or is not complete and
        nothing was edited.
    """
    is_edited = edited.args is not None or edited.kwargs is not None
    with transaction.atomic():
        letters = DeadLetter.objects.filter(pk=letter_id).select_for_update()
        letter = letters.exclude(status=LetterStatus.REPLAYING).exclude(task="").first()
        if letter is None or not (letter.is_complete or is_edited):
            return False
        _open([letter], by, edited)
    return True


def discard(letters: QuerySet[DeadLetter], by: str, reason: str) -> int:
    """Give letters up, for a reason. Those that are being replayed are left alone.

    Returns:
        Letters discarded.

    Raises:
        ValueError: no reason is given.
    """
    if not reason.strip():
        raise ValueError("a letter is discarded for a reason")
    with transaction.atomic():
        open_ones = letters.exclude(status__in=[LetterStatus.REPLAYING, LetterStatus.DISCARDED])
        locked = list(open_ones.order_by("id").select_for_update().only("id", "task"))
        now = timezone.now()
        DeadLetterAction.objects.bulk_create(
            DeadLetterAction(
                letter=letter,
                action=ActionKind.DISCARD,
                task=letter.task,
                requested_by=by,
                reason=reason.strip()[:500],
                ended_at=now,
                outcome=ActionOutcome.SUCCEEDED,
            )
            for letter in locked
        )
        DeadLetter.objects.filter(pk__in=[letter.pk for letter in locked]).update(
            status=LetterStatus.DISCARDED, discard_reason=reason.strip()[:500]
        )
    return len(locked)


def send_due_replays(config: DeadLettersConfig, may_replay: Gate = lambda _: True) -> int:
    """Send the replays whose turn it is, oldest first.

    Args:
        config: how many a second, and after how long one is given up.
        may_replay: holds a letter back until a later turn.

    Returns:
        Replays sent.
    """
    give_up_on_lost(config.replay_timeout_seconds)
    for sent, action in enumerate(claimed := _claim(config.replay_per_second, may_replay)):
        try:
            _send(action)
        except _OUTAGES as error:
            words = f"replays wait, the broker is away: {error}"
            note("deadletter", "replay", words, status="degraded")
            _put_back(claimed[sent:])
            return sent
        except Exception as error:  # noqa: BLE001 - one that cannot be sent holds up no other
            words = f"a replay cannot be sent: letter {action.letter_id}"
            note("deadletter", "replay", words, status="failed", error=error)
            _end([action.pk], ActionOutcome.FAILED, LetterStatus.NEW)
    return len(claimed)


def succeeded(action_id: int) -> None:
    """The work of a replay is done. A letter that failed anew since it was sent stays open."""
    action = DeadLetterAction.objects.filter(pk=action_id).first()
    if action is None:
        return
    with transaction.atomic():
        DeadLetterAction.objects.filter(pk=action_id).update(
            outcome=ActionOutcome.SUCCEEDED, ended_at=timezone.now()
        )
        DeadLetter.objects.filter(
            pk=action.letter_id, status__in=[LetterStatus.REPLAYING, LetterStatus.NEW]
        ).update(
            status=Case(
                When(last_seen__gt=action.sent_at, then=Value(LetterStatus.NEW)),
                default=Value(LetterStatus.REPLAYED),
            )
        )


def give_up_on_lost(timeout_seconds: float) -> int:
    """Make letters new whose replay was lost on the way; end replays whose letter was evicted.

    Returns:
        Replays given up.
    """
    since = timezone.now() - timedelta(seconds=timeout_seconds)
    is_kept = Exists(DeadLetter.objects.filter(pk=OuterRef("letter_id")))
    lost = DeadLetterAction.objects.filter(outcome__in=OPEN).filter(Q(sent_at__lt=since) | ~is_kept)
    return _end(list(lost.values_list("pk", flat=True)), ActionOutcome.UNANSWERED, LetterStatus.NEW)


def _open(letters: Sequence[DeadLetter], by: str, edited: Edited) -> None:
    """Write the entries, then the letters' status. The letters are locked."""
    DeadLetterAction.objects.bulk_create(
        DeadLetterAction(
            letter=letter,
            action=ActionKind.REPLAY,
            task=letter.task,
            requested_by=by,
            args=edited.args,
            kwargs=edited.kwargs,
            outcome=ActionOutcome.WAITING,
        )
        for letter in letters
    )
    DeadLetter.objects.filter(pk__in=[letter.pk for letter in letters]).update(
        status=LetterStatus.REPLAYING, discard_reason=""
    )


def _claim(per_second: int, may_replay: Gate) -> list[DeadLetterAction]:
    """Mark as sent what this second has room for; one process at a time."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        now = timezone.now()
        sent = DeadLetterAction.objects.filter(sent_at__gt=now - timedelta(seconds=1)).count()
        waiting = DeadLetterAction.objects.filter(outcome=ActionOutcome.WAITING).order_by("id")
        due = waiting.select_related("letter").defer("letter__traceback", "letter__body")
        claimed: list[DeadLetterAction] = []
        for action in due if sent < per_second else ():
            if may_replay(action.letter):
                claimed.append(action)
            if len(claimed) >= per_second - sent:
                break
        DeadLetterAction.objects.filter(pk__in=[action.pk for action in claimed]).update(
            outcome=ActionOutcome.SENT, sent_at=now
        )
    return claimed


def _send(action: DeadLetterAction) -> None:
    letter = action.letter
    # A queue that is gone is replaced by the task's own.
    queue = letter.queue if letter.queue in current_app.amqp.queues else None
    current_app.send_task(
        letter.task,
        args=letter.args if action.args is None else action.args,
        kwargs=letter.kwargs if action.kwargs is None else action.kwargs,
        queue=queue,
        # Sent by name, a message asks for its result unless it says otherwise.
        ignore_result=getattr(current_app.tasks.get(letter.task), "ignore_result", True),
        headers={REPLAY_HEADER: action.pk},
    )


def _put_back(actions: Sequence[DeadLetterAction]) -> None:
    DeadLetterAction.objects.filter(
        pk__in=[action.pk for action in actions], outcome=ActionOutcome.SENT
    ).update(outcome=ActionOutcome.WAITING, sent_at=None)


def _end(action_ids: Sequence[int], outcome: ActionOutcome, status: LetterStatus) -> int:
    """End open replays and set their letters' status."""
    with transaction.atomic():
        ended = DeadLetterAction.objects.filter(pk__in=action_ids, outcome__in=OPEN)
        letters = list(ended.select_for_update().values_list("letter_id", flat=True))
        ended.update(outcome=outcome, ended_at=timezone.now())
        DeadLetter.objects.filter(pk__in=letters, status=LetterStatus.REPLAYING).update(
            status=status
        )
    return len(letters)
