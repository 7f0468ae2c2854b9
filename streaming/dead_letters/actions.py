"""Replays of letters: those that are open, and the end of the latest that is not."""

from __future__ import annotations

from django.db.models import OuterRef, QuerySet, Subquery

from streaming.models import ActionKind, ActionOutcome, DeadLetter, DeadLetterAction

MAX_ERROR_CHARS = 500
"""The characters that are kept of the error of a replay that failed."""

OPEN = (ActionOutcome.WAITING, ActionOutcome.SENT)

UNHEARD_OF = (*OPEN, ActionOutcome.UNANSWERED)
"""Replays whose end may still be reported: a waiting one's message may have gone out unnoticed."""


def open_replays(letter: int | OuterRef) -> QuerySet[DeadLetterAction]:
    """Return the replay of a letter that waits or was sent; one at most.

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

    A letter whose replay failed is new again: only this says that it was tried, when, and how it
    failed.
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
