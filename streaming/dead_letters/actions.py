"""Which replays of letters are open, and how the latest of those that are not has ended."""

from __future__ import annotations

from django.db.models import OuterRef, QuerySet, Subquery

from streaming.models import ActionKind, ActionOutcome, DeadLetter, DeadLetterAction

MAX_ERROR_CHARS = 500
"""What is kept of the error of a replay that failed."""

OPEN = (ActionOutcome.WAITING, ActionOutcome.SENT)

UNHEARD_OF = (*OPEN, ActionOutcome.UNANSWERED)
"""Replays whose end may still be told: the messages of waiting ones may have gone out unnoticed."""


def open_replays(letter: int | OuterRef) -> QuerySet[DeadLetterAction]:
    """The replay of a letter that waits or is on its way; one at most.

    Args:
        letter: its id, or a reference to it in an outer query.
    """
    return DeadLetterAction.objects.filter(letter=letter, outcome__in=OPEN)


def replayed_feed(action_id: int) -> str:
    """Return the feed that a replay's letter is about; empty where it is about none."""
    actions = DeadLetterAction.objects.filter(pk=action_id)
    return actions.values_list("letter__feed", flat=True).first() or ""


def with_last_replay(letters: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
    """Return the letters with the end of their latest replay that has one.

    A letter whose replay failed is new again: only this says that it was tried, when and what of.
    """
    ended = (
        DeadLetterAction.objects.filter(letter=OuterRef("pk"), action=ActionKind.REPLAY)
        .exclude(outcome__in=OPEN)
        .order_by("-id")
    )
    return letters.annotate(
        last_replay_outcome=Subquery(ended.values("outcome")[:1]),
        last_replay_ended_at=Subquery(ended.values("ended_at")[:1]),
        last_replay_error=Subquery(ended.values("error")[:1]),
    )
