"""Recording of letters: each goes to the first place that takes it, and then to Sentry."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from uuid import uuid4

import msgspec
from django.db import DataError, IntegrityError, connection

from betting.config import Config, get_config
from betting.db.advisory_locks import SPOOL, session_lock
from betting.db.sessions import keep_session
from betting.logs import note
from streaming.core.letter_event import event_of
from streaming.core.letters import Kind, Letter, redacted
from streaming.core.notifications import DeadletterAdded
from streaming.core.texts import one_line
from streaming.dead_letters import spool
from streaming.dead_letters.messages import exception_info
from streaming.dead_letters.store import store
from streaming.notifications import bus

DRAIN_SECONDS = 60.0
"""The longest that a process may pause between two letters before another goes on with the rest."""

logger = logging.getLogger(__name__)


def record_letter(letter: Letter) -> None:
    """Keep a letter: in PostgreSQL, or in Redis while that is away, or in a file.

    Never raises: it is called where something has failed already. A letter that no place takes is
    logged as CRITICAL.
    """
    try:
        config = get_config()
        letter = _prepared(letter)
        is_new = True
        try:
            if config.dead_letters_enabled:
                is_new = _keep(letter, config)
        finally:
            if is_new:
                report(letter)
    except Exception as error:  # noqa: BLE001 - it must never raise
        _log(letter, "no place took a dead letter", logging.CRITICAL, error)


def store_spooled(config: Config) -> int:
    """Store the letters that wait in Redis and in this machine's file; return how many.

    One process at a time does: any other finds nothing to do.

    Raises:
        django.db.Error, redis.RedisError: a server is still, or again, away.
        OSError: the file cannot be read; the letters in Redis are stored.
    """

    def take(line: bytes) -> None:
        keep_session()
        _store_line(line, config.dead_letters.max_rows)

    with session_lock(SPOOL, 0, DRAIN_SECONDS) as is_mine:
        if not is_mine:
            return 0
        try:
            of_file = spool.take_from_file(take, config.home)
        finally:  # a file that cannot be read keeps no letter in Redis, whose room is bounded
            of_redis = spool.take_from_redis(take)
        return of_file + of_redis


def report(letter: Letter) -> None:
    """Hand the letter's event to the thread that sends them to Sentry. Neither waits nor raises.

    The row is written before the event is sent, and Sentry accepts an id once: a failure is one
    event, however often it is reported.
    """
    if not letter.sentry_event_id:
        return
    try:
        import_module("sentry_sdk").capture_event(event_of(letter))
    except Exception:
        logger.warning("Sentry did not take a dead letter: id=%s", letter.id, exc_info=True)


def with_event_id(letter: Letter) -> Letter:
    """Return the letter with the id of its event for Sentry, if one will be sent.

    Missed deliveries are not sent: a receiver that is away for an hour is no fault of this code,
    and would use up the quota of those that are.

    Args:
        letter: redacted; its id is the same for every report of the same failure.
    """
    if letter.kind is Kind.DELIVERY or not _sends_to_sentry():
        return letter
    return msgspec.structs.replace(letter, sentry_event_id=letter.id)


def _sends_to_sentry() -> bool:
    """Return True if a DSN is set; without one nothing has imported the SDK, nor does this."""
    sdk = sys.modules.get("sentry_sdk")
    return sdk is not None and bool(sdk.is_initialized())


def _prepared(letter: Letter) -> Letter:
    return with_event_id(redacted(letter, datetime.now(UTC), uuid4().hex))


def _keep(letter: Letter, config: Config) -> bool:
    """Keep a letter in the first place that takes it; return True if its failure is new."""

    def push() -> bool:
        spool.push_to_redis(spool.encoded(letter), spool.MAX_LETTERS)
        return True

    places: list[tuple[str, Callable[[], bool]]] = [
        ("PostgreSQL", lambda: _to_database(letter, config.dead_letters.max_rows)),
        ("Redis", push),
    ]
    for place, keep in places:
        try:
            return keep()
        except Exception as error:  # noqa: BLE001 - after any error there, the next place is tried
            words = f"{place} did not take a dead letter: {exception_info(error)['exception']}"
            note("deadletter", "spool", words, status="degraded", place=place)
    spool.append_to_file(spool.encoded(letter), config.home, spool.MAX_BYTES)
    return True


def _to_database(letter: Letter, max_rows: int) -> bool:
    if not connection.in_atomic_block:
        # Close a connection that a restart of the server broke. Within a transaction Django would
        # close any.
        connection.close_if_unusable_or_obsolete()
    if not _store(letter, max_rows):
        return False
    # Missed deliveries have log lines of their own, which are sampled: one dead subscriber must not
    # flood the log.
    is_delivery = letter.kind is Kind.DELIVERY
    _log(letter, "work failed for good", logging.DEBUG if is_delivery else logging.ERROR)
    return True


def _store(letter: Letter, max_rows: int) -> bool:
    """Store a letter and notify subscribers of a new one; return True if its failure is new."""
    stored = store(letter, max_rows)
    if stored is not None and stored.added is not None:
        bus.announce(
            DeadletterAdded(
                id=uuid4(),
                occurred_at=letter.at or datetime.now(UTC),
                letter_id=stored.added,
                kind=letter.kind.value,
                task=letter.task,
                error=one_line(f"{letter.exception}: {letter.message}"),
            )
        )
    return stored is not None


def _store_line(line: bytes, max_rows: int) -> None:
    """Store a spooled line; instead of one that can never be stored, a letter that says so."""
    try:
        _store(spool.decoded(line), max_rows)
    except (msgspec.DecodeError, DataError, IntegrityError) as error:
        info = exception_info(error)
        info["message"] = f"A spooled letter cannot be stored: {info['message']}"
        body = line.decode("utf-8", "replace")
        instead = _prepared(Letter(kind=Kind.HOOK, body=body, is_complete=False, **info))
        if _store(instead, max_rows):
            report(instead)


def _log(letter: Letter, words: str, level: int, error: Exception | None = None) -> None:
    note(
        "deadletter",
        "dead_letter",
        f"{words}: {letter.exception}" if letter.exception else words,
        status="failed",
        level=level,
        error=error,
        kind=letter.kind.value,
        letter_task=letter.task,
        letter_task_id=letter.task_id,
    )
