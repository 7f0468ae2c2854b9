"""Which replays of letters are open: a letter is at rest when it has none."""

from __future__ import annotations

from django.db.models import OuterRef, QuerySet

from streaming.models import ActionOutcome, DeadLetterAction

OPEN = (ActionOutcome.WAITING, ActionOutcome.SENT)

UNHEARD_OF = (*OPEN, ActionOutcome.UNANSWERED)
"""Replays whose end may still be told: the messages of waiting ones may have gone out unnoticed."""


def open_replays(letter: int | OuterRef) -> QuerySet[DeadLetterAction]:
    """The replay of a letter that waits or is on its way; one at most.

    Args:
        letter: its id, or a reference to it in an outer query.
    """
    return DeadLetterAction.objects.filter(letter=letter, outcome__in=OPEN)
