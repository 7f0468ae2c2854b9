"""Letters in PostgreSQL: one row for equal letters, a bounded number of rows.

One transaction stores one letter, under a lock that serialises the writers. Within one statement
every part sees the same snapshot, so the rows that are too many can only be counted by a statement
that begins after the other writers have committed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Case, Exists, F, OuterRef, QuerySet, Value, When
from django.db.models.functions import Greatest, Least

from betting.db.advisory_locks import LETTERS
from betting.models import Provider
from streaming.core.letters import Letter, digest, fingerprint
from streaming.core.texts import one_line
from streaming.models import ActionKind, ActionOutcome, DeadLetter, DeadLetterAction, LetterStatus

POLL_PROVIDER = "streaming.poll_provider"
"""The task that polls; named here, because this module may not import it."""

MAX_ERROR_CHARS = 500
"""The characters that are kept of the error of a replay that failed."""

OPEN = (ActionOutcome.WAITING, ActionOutcome.SENT)

OPEN_OR_UNANSWERED = (*OPEN, ActionOutcome.UNANSWERED)
"""Replays whose end may still be reported: a waiting one's message may have gone out unnoticed."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The result of storing a letter.

    Attributes:
        added: the id of the row that it made; None where it raised the count of one.
    """

    added: int | None = None


def store(letter: Letter, max_rows: int) -> Stored | None:
    """Store a redacted letter, or raise the count of the row that is equal to it.

    Args:
        letter: redacted.
        max_rows: letters that are kept at most; evicted ones are counted. Those replayed or
            discarded go first, then missed deliveries beyond half of the rows, then the least
            recently seen.

    Returns:
        The result; None when this failure is known already.

    Raises:
        RuntimeError: within a transaction, which might yet roll the letter back.
        django.db.Error: PostgreSQL is away, or cannot hold a value.
    """
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LETTERS])
        cursor.execute(_OCCUR, [UUID(letter.id), letter.kind.value])
        if not cursor.rowcount:
            return None
        stored = Stored()
        if not _failed_again(letter):
            cursor.execute(_UPSERT, _row(letter))
            letter_id, count = cursor.fetchone()
            stored = Stored(added=letter_id if count == 1 else None)
        cursor.execute(_EVICT, {"max_rows": max_rows})
    return stored


def open_replays(letter: int | OuterRef) -> QuerySet[DeadLetterAction]:
    """Return the replay of a letter that waits or was sent; one at most.

    Args:
        letter: its id, or a reference to it in an outer query.
    """
    return DeadLetterAction.objects.filter(letter=letter, outcome__in=OPEN)


def _failed_again(letter: Letter) -> bool:
    """Raise the count of the letter that this work was a replay of, even for another failure."""
    if letter.replay is None:
        return False
    action = DeadLetterAction.objects.filter(pk=letter.replay, action=ActionKind.REPLAY).first()
    if action is None:
        return False
    # Lock the letter first, as everywhere, so that no replay of it is opened meanwhile.
    letters = DeadLetter.objects.filter(pk=action.letter_id)
    list(letters.select_for_update().values_list("pk"))
    DeadLetterAction.objects.filter(pk=action.pk, outcome__in=OPEN_OR_UNANSWERED).update(
        outcome=ActionOutcome.FAILED,
        ended_at=letter.at,
        error=one_line(f"{letter.exception}: {letter.message}", MAX_ERROR_CHARS),
    )
    # Another replay, requested when this one was thought lost, has its own end.
    is_open = Exists(open_replays(OuterRef("pk")))
    return bool(
        letters.update(
            count=F("count") + 1,
            first_seen=Least(F("first_seen"), letter.at),
            last_seen=Greatest(F("last_seen"), letter.at),
            exception=letter.exception,
            message=letter.message,
            traceback=letter.traceback,
            task_id=letter.task_id,
            retries=letter.retries,
            worker=letter.worker,
            sentry_event_id=letter.sentry_event_id,
            status=Case(
                When(is_open, then=Value(LetterStatus.REPLAYING)), default=Value(LetterStatus.NEW)
            ),
            discard_reason="",
        )
    )


def _row(letter: Letter) -> dict[str, str | int | bool | datetime | None]:
    return {
        "kind": letter.kind.value,
        "task": letter.task,
        "args": json.dumps(letter.args),
        "kwargs": json.dumps(letter.kwargs),
        "is_complete": letter.is_complete,
        "body": letter.body,
        "queue": letter.queue,
        "exception": letter.exception,
        "message": letter.message,
        "traceback": letter.traceback,
        "fingerprint": fingerprint(letter),
        "digest": digest(letter),
        "at": letter.at,
        "task_id": letter.task_id,
        "retries": letter.retries,
        "worker": letter.worker,
        "provider": letter.provider or _polled_provider(letter),
        "feed": letter.feed,
        "sentry_event_id": letter.sentry_event_id,
    }


def _polled_provider(letter: Letter) -> str:
    """Return the key of the provider that a poll is of; empty for any other task.

    The letter of a poll has only the provider's id, among its arguments.
    """
    ids = (*letter.args, letter.kwargs.get("provider_id"))
    if letter.task != POLL_PROVIDER or not isinstance(ids[0], int):
        return ""
    key = Provider.objects.filter(pk=ids[0]).values_list("key", flat=True).first()
    return key or ""


_OCCUR = """
INSERT INTO streaming_deadletteroccurrence ("end", kind) VALUES (%s, %s) ON CONFLICT DO NOTHING
"""

# The newest letter's text stays, even if an older one is stored last: it may have waited in a
# spool. A letter that was replayed, healed or discarded and fails again is new again. One that is
# being replayed stays so: the replay's own end decides.
_UPSERT = """
INSERT INTO streaming_deadletter AS held (
    kind, task, args, kwargs, is_complete, body, queue, exception, message, traceback,
    fingerprint, digest, count, first_seen, last_seen, task_id, retries, worker, provider,
    feed, sentry_event_id
) VALUES (
    %(kind)s, %(task)s, %(args)s, %(kwargs)s, %(is_complete)s, %(body)s, %(queue)s, %(exception)s,
    %(message)s, %(traceback)s, %(fingerprint)s, %(digest)s, 1, %(at)s, %(at)s, %(task_id)s,
    %(retries)s, %(worker)s, %(provider)s, %(feed)s,
    %(sentry_event_id)s
)
ON CONFLICT (digest) DO UPDATE SET
    count = held.count + 1,
    first_seen = least(held.first_seen, excluded.first_seen),
    last_seen = greatest(held.last_seen, excluded.last_seen),
    (args, kwargs, is_complete, body, message, traceback, task_id, retries, worker,
     sentry_event_id) = (
        SELECT (newest).args, (newest).kwargs, (newest).is_complete, (newest).body,
               (newest).message, (newest).traceback, (newest).task_id, (newest).retries,
               (newest).worker, (newest).sentry_event_id
        FROM (SELECT CASE WHEN excluded.last_seen >= held.last_seen THEN excluded ELSE held END)
             AS either (newest)
    ),
    status = CASE held.status WHEN 'replaying' THEN held.status ELSE 'new' END,
    discard_reason = ''
RETURNING id, count
"""

# Replayed and discarded letters go first, those being replayed last. In between, missed deliveries
# fill half of the room at most where others need it: one dead subscriber evicts no other letters.
_EVICT = """
WITH valued AS (
    SELECT id, kind, last_seen,
           CASE status WHEN 'replaying' THEN 0 WHEN 'new' THEN 1 ELSE 2 END AS worth
    FROM streaming_deadletter
    WHERE (SELECT count(*) FROM streaming_deadletter) > %(max_rows)s
), ranked AS (
    SELECT id, last_seen, worth, kind = 'delivery' AND row_number() OVER (
        PARTITION BY kind = 'delivery' ORDER BY worth, last_seen DESC, id DESC
    ) > %(max_rows)s / 2 AS is_one_too_many
    FROM valued
), evicted AS (
    DELETE FROM streaming_deadletter WHERE id IN (
        SELECT id FROM ranked
        ORDER BY worth = 2, is_one_too_many, worth, last_seen DESC, id DESC OFFSET %(max_rows)s
    )
    RETURNING 1
)
INSERT INTO streaming_deadlettereviction AS held (day, letters)
SELECT (now() AT TIME ZONE 'UTC')::date, count(*) FROM evicted HAVING count(*) > 0
ON CONFLICT (day) DO UPDATE SET letters = held.letters + excluded.letters
"""
