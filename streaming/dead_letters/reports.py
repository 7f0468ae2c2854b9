"""Reports of letters to Sentry: one event for each failure, under an id that the letter keeps.

A letter's id is the same for every report of the same failure, so it is the event's as well: the
row is written before the event is sent, and Sentry accepts an id once.
"""

from __future__ import annotations

import logging

import msgspec
import sentry_sdk

from streaming.core.letter_event import event_of
from streaming.core.letters import Kind, Letter

logger = logging.getLogger(__name__)


def announced(letter: Letter) -> Letter:
    """Return the letter with the id of its event for Sentry, if one will be sent.

    Missed deliveries are not sent: a receiver that is away for an hour is no fault of this code,
    and would use up the quota of those that are.

    Args:
        letter: redacted.
    """
    if letter.kind is Kind.DELIVERY or not sentry_sdk.is_initialized():
        return letter
    return msgspec.structs.replace(letter, sentry_event_id=letter.id)


def report(letter: Letter) -> None:
    """Hand the letter's event to the thread that sends them. Neither waits nor raises."""
    if not letter.sentry_event_id:
        return
    try:
        sentry_sdk.capture_event(event_of(letter))  # type: ignore[arg-type]  # a plain dictionary
    except Exception:
        logger.warning("Sentry did not take a dead letter: id=%s", letter.id, exc_info=True)
