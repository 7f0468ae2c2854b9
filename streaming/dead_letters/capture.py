"""Burial of letters: `bury` keeps one in the first place that takes it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from uuid import uuid4

import msgspec
from django.db import DataError, IntegrityError, connection
from redis.exceptions import LockNotOwnedError

from betting.config import Config, get_config
from betting.db.redis import make_lease
from betting.logs import note
from streaming.core.events import DeadletterAdded
from streaming.core.letters import Kind, Letter, redacted
from streaming.core.texts import one_line
from streaming.dead_letters import spool
from streaming.dead_letters.exception_info import describe
from streaming.dead_letters.reports import announced, report
from streaming.dead_letters.store import store
from streaming.notifications import bus

DRAIN_SECONDS = 60.0
"""The longest that storing one letter may take before another process goes on with the rest."""


def bury(letter: Letter) -> None:
    """Keep a letter: in PostgreSQL, or in Redis while that is away, or in a file.

    Never raises: it is called where something has failed already. A letter that no place takes is
    logged as CRITICAL.
    """
    try:
        config = get_config()
        sealed_one = _sealed(letter)
        is_news = True
        try:
            if config.dead_letters_enabled:
                is_news = _keep(sealed_one, config)
        finally:
            if is_news:
                report(sealed_one)
    except Exception as error:  # noqa: BLE001 - it must never raise
        _tell(letter, "a dead letter is lost", logging.CRITICAL, error)


def store_spooled(config: Config) -> int:
    """Store the letters that wait in Redis and in this machine's file; return how many.

    One process at a time does: any other finds nothing to do.

    Raises:
        django.db.Error, redis.RedisError: a server is still, or again, away.
    """
    drain = make_lease("store-spooled-letters", DRAIN_SECONDS)
    if not drain.acquire():
        return 0

    def take(line: bytes) -> None:
        _store_line(line, config.dead_letters.max_rows)
        with suppress(LockNotOwnedError):  # Redis was flushed: at worst two drain at once
            drain.reacquire()

    try:
        return spool.take_from_file(take, config.home) + spool.take_from_redis(take)
    finally:
        with suppress(LockNotOwnedError):
            drain.release()


def _sealed(letter: Letter) -> Letter:
    return announced(redacted(letter, datetime.now(UTC), uuid4().hex))


def _keep(letter: Letter, config: Config) -> bool:
    """Keep a letter in the first place that takes it; return True if its failure is new."""
    limits = config.dead_letters

    def push() -> bool:
        spool.push_to_redis(spool.encoded(letter), limits.spool_letters)
        return True

    places: list[tuple[str, Callable[[], bool]]] = [
        ("PostgreSQL", lambda: _to_database(letter, limits.max_rows)),
        ("Redis", push),
    ]
    for place, keep in places:
        try:
            return keep()
        except Exception as error:  # noqa: BLE001 - after any error there, the next place is tried
            words = f"a dead letter does not go to {place}: {describe(error).exception}"
            note("deadletter", "spool", words, status="degraded", place=place)
    spool.append_to_file(spool.encoded(letter), config.home, limits.spool_bytes)
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
    _tell(letter, "dead letter", logging.DEBUG if is_delivery else logging.ERROR)
    return True


def _store(letter: Letter, max_rows: int) -> bool:
    """Store a letter and notify subscribers of a new one; return True if its failure is new."""
    stored = store(letter, max_rows)
    if stored is not None and stored.added is not None:
        bus.tell(
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


def _tell(letter: Letter, words: str, level: int, error: Exception | None = None) -> None:
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


def _store_line(line: bytes, max_rows: int) -> None:
    """Store a spooled line; instead of one that can never be stored, a letter that says so."""
    try:
        _store(spool.decoded(line), max_rows)
    except (msgspec.DecodeError, DataError, IntegrityError) as error:
        told = describe(error)
        instead = _sealed(
            Letter(
                kind=Kind.HOOK,
                exception=told.exception,
                message=f"A spooled letter cannot be stored: {told.message}",
                traceback=told.traceback,
                body=line.decode("utf-8", "replace"),
                is_complete=False,
            )
        )
        if _store(instead, max_rows):
            report(instead)
