"""Replays of dead letters, which send their work again, and discarding of letters.

A replay is a row before it is a message: people ask for any number at once, and a task that beat
drives sends a limited number a second. Neither a restart nor a lost message loses one: a letter
whose replay reports no end becomes new again.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, get_type_hints

import msgspec
from celery import current_app
from django.db import connection, transaction
from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Subquery, Value, When
from django.utils import timezone

from betting.db.advisory_locks import REPLAYS
from betting.db.outages import BROKER_OUTAGES
from betting.logs import note
from streaming.core.redaction import scrub_text
from streaming.core.texts import did_you_mean, one_line
from streaming.dead_letters.messages import REPLAY_HEADER
from streaming.dead_letters.store import MAX_ERROR_CHARS, OPEN, open_replays
from streaming.models import (
    ActionKind,
    ActionOutcome,
    DeadLetter,
    DeadLetterAction,
    LetterKind,
    LetterStatus,
)

PER_SECOND = 10
"""The most replays that are sent in a second: a thousand letters must not be a burst of work."""

TIMEOUT_SECONDS = 600.0
"""A replay counts as lost if its outcome is unknown after this long: queues are far shorter."""


@dataclass(frozen=True, slots=True)
class EditedArguments:
    """Arguments that a person gives a replay instead of the letter's own; None keeps those."""

    args: Sequence[Any] | None = None
    kwargs: Mapping[str, Any] | None = None


def request_replays(letters: QuerySet[DeadLetter], by: str) -> int:
    """Ask for the replay of all these letters that can be replayed as they are.

    Idempotent: a letter that is being replayed already is left alone, even by concurrent requests.

    Args:
        letters: which.
        by: who asks.

    Returns:
        Replays that will be sent.
    """
    with transaction.atomic():
        locked = _locked(letters.exclude(task="").filter(is_complete=True))
        _enter(locked, ActionKind.REPLAY, by, outcome=ActionOutcome.WAITING)
    return len(locked)


def request_replay(letter_id: int, by: str, edited: EditedArguments) -> bool:
    """Ask for the replay of one letter with other arguments, checked by `arguments_error`.

    Returns:
        False when it is gone, has no task, is being replayed already, or is not complete and
        nothing was edited.
    """
    is_edited = edited.args is not None or edited.kwargs is not None
    with transaction.atomic():
        letters = DeadLetter.objects.filter(pk=letter_id).exclude(task="")
        if not is_edited:
            letters = letters.filter(is_complete=True)
        locked = _locked(letters)
        _enter(
            locked,
            ActionKind.REPLAY,
            by,
            args=edited.args,
            kwargs=edited.kwargs,
            outcome=ActionOutcome.WAITING,
        )
    return bool(locked)


def arguments_error(task: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return why a task does not take these arguments; empty if it does."""
    current_app.loader.import_default_modules()  # only a worker has done it before
    registered = current_app.tasks.get(task)
    if registered is None:
        return f"there is no task {task!r}{did_you_mean(task, current_app.tasks)}"
    signature = inspect.signature(registered.run)
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        return f"{task}{signature}: {error}"
    hints = get_type_hints(registered.run)
    for name, value in given.items():
        try:
            msgspec.convert(value, hints.get(name, Any))
        except msgspec.ValidationError as error:
            return f"{task}{signature}: {name}: {error}"
    return ""


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
        locked = _locked(letters.exclude(status=LetterStatus.DISCARDED))
        _enter(
            locked,
            ActionKind.DISCARD,
            by,
            reason=reason.strip()[:500],
            ended_at=timezone.now(),
            outcome=ActionOutcome.SUCCEEDED,
        )
    return len(locked)


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Providers and subscribers whose letters wait for a later turn.

    Attributes:
        providers: keys of those that may not be asked.
        subscribers: keys of those that nothing may be delivered to.
    """

    providers: Collection[str] = ()
    subscribers: Collection[str] = ()

    def condition(self) -> Q:
        """Return the condition that selects the actions whose letters wait."""
        return Q(letter__provider__in=self.providers) | Q(
            letter__kind=LetterKind.DELIVERY, letter__args__0__in=self.subscribers
        )


def send_due_replays(held_back: HeldBack = HeldBack()) -> int:
    """Send the replays whose turn it is, oldest first.

    Args:
        held_back: whose letters are not sent in this turn.

    Returns:
        Replays sent.
    """
    give_up_on_lost(TIMEOUT_SECONDS)
    for sent, action in enumerate(claimed := _claim(held_back)):
        try:
            _send(action)
        except BROKER_OUTAGES as error:
            words = f"the broker could not send replays, they wait: {error}"
            note("deadletter", "replay", words, status="degraded")
            _put_back(claimed[sent:])
            return sent
        except Exception as error:  # noqa: BLE001 - one that cannot be sent holds up no other
            words = f"the replay of letter {action.letter_id} could not be sent"
            note("deadletter", "replay", words, status="failed", error=error)
            reason = scrub_text(f"could not be sent: {type(error).__name__}: {error}")
            _end([action.pk], ActionOutcome.FAILED, one_line(reason, MAX_ERROR_CHARS))
    return len(claimed)


def succeeded(action_id: int) -> None:
    """Mark a replay as succeeded. A letter that failed again since it was sent stays open."""
    action = DeadLetterAction.objects.filter(pk=action_id).first()
    if action is None:
        return
    with transaction.atomic():
        # Lock the letter first, as everywhere, so that no replay of it is opened meanwhile.
        letters = DeadLetter.objects.filter(pk=action.letter_id)
        list(letters.select_for_update().values_list("pk"))
        DeadLetterAction.objects.filter(pk=action_id).update(
            outcome=ActionOutcome.SUCCEEDED, ended_at=timezone.now()
        )
        # Another replay, requested when this one was thought lost, has its own end.
        _at_rest(letters).filter(status__in=[LetterStatus.REPLAYING, LetterStatus.NEW]).update(
            status=Case(
                When(last_seen__gt=action.sent_at or timezone.now(), then=Value(LetterStatus.NEW)),
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
    return _end(list(lost.values_list("pk", flat=True)), ActionOutcome.UNANSWERED)


def replayed_feed(action_id: int) -> str:
    """Return the feed that a replay's letter is about; empty where it is about none."""
    actions = DeadLetterAction.objects.filter(pk=action_id)
    return actions.values_list("letter__feed", flat=True).first() or ""


def ended_replays(letter: int | OuterRef) -> QuerySet[DeadLetterAction]:
    """Return the replays of a letter that have an end, the newest first.

    Args:
        letter: its id, or a reference to it in an outer query.
    """
    replays = DeadLetterAction.objects.filter(letter=letter, action=ActionKind.REPLAY)
    return replays.exclude(outcome__in=OPEN).order_by("-id")


def with_last_replay(letters: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
    """Return the letters with the end of their latest replay that has one.

    A letter whose replay failed is new again: only this says when it was tried and how it failed.
    """
    ended = ended_replays(OuterRef("pk"))
    return letters.annotate(
        last_replay_outcome=Subquery(ended.values("outcome")[:1]),
        last_replay_ended_at=Subquery(ended.values("ended_at")[:1]),
        last_replay_error=Subquery(ended.values("error")[:1]),
    )


def _at_rest(letters: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
    """Return those without an open replay: the entries decide, though their status says so too."""
    return letters.filter(~Exists(open_replays(OuterRef("pk"))))


def _locked(letters: QuerySet[DeadLetter]) -> list[DeadLetter]:
    """Return the letters without an open replay, locked until the transaction ends.

    A statement that waited for a lock sees the entries as they were before it; the second one sees
    what the holder of the lock has written.
    """
    ids = _at_rest(letters).order_by("id").select_for_update().values_list("pk", flat=True)
    held = DeadLetter.objects.filter(pk__in=list(ids))
    return list(_at_rest(held).order_by("id").only("id", "task"))


def _enter(
    letters: Sequence[DeadLetter],
    action: ActionKind,
    by: str,
    *,
    reason: str = "",
    **fields: Any,
) -> None:
    """Write an entry for each letter, then the letters' status. The letters are locked."""
    status = LetterStatus.REPLAYING if action == ActionKind.REPLAY else LetterStatus.DISCARDED
    DeadLetterAction.objects.bulk_create(
        DeadLetterAction(
            letter=letter,
            action=action,
            task=letter.task,
            requested_by=by,
            reason=reason,
            **fields,
        )
        for letter in letters
    )
    DeadLetter.objects.filter(pk__in=[letter.pk for letter in letters]).update(
        status=status, discard_reason=reason
    )


def _claim(held_back: HeldBack) -> list[DeadLetterAction]:
    """Mark as sent what this second has room for; one process at a time."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [REPLAYS])
        now = timezone.now()
        sent = DeadLetterAction.objects.filter(sent_at__gt=now - timedelta(seconds=1)).count()
        waiting = DeadLetterAction.objects.filter(outcome=ActionOutcome.WAITING)
        due = waiting.exclude(held_back.condition()).order_by("id").select_related("letter")
        room = max(PER_SECOND - sent, 0)
        claimed = list(due.defer("letter__traceback", "letter__body")[:room])
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


def _end(action_ids: Sequence[int], outcome: ActionOutcome, error: str = "") -> int:
    """End open replays without success: their letters are new again."""
    with transaction.atomic():
        ended = DeadLetterAction.objects.filter(pk__in=action_ids, outcome__in=OPEN)
        letters = list(ended.values_list("letter_id", flat=True))
        held = DeadLetter.objects.filter(pk__in=letters).order_by("id")
        list(held.select_for_update().values_list("pk"))
        letters = list(ended.select_for_update().values_list("letter_id", flat=True))
        ended.update(outcome=outcome, ended_at=timezone.now(), error=error)
        DeadLetter.objects.filter(pk__in=letters, status=LetterStatus.REPLAYING).update(
            status=LetterStatus.NEW
        )
    return len(letters)
