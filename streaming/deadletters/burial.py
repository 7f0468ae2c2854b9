"""`bury`: keeps a letter in the first place that takes it."""

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
from streaming.buffer import lease
from streaming.core.letters import Kind, Letter, sealed
from streaming.deadletters import spool
from streaming.deadletters.described import describe
from streaming.deadletters.store import store

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 60.0
"""How long one letter may take to be stored before another process goes on with the rest."""


def bury(letter: Letter) -> None:
    """Keep a letter: in PostgreSQL, or in Redis while that is away, or in a file.

    Never raises: it is called where something has failed already. A letter that finds no place at
    all is a CRITICAL log line.
    """
    try:
        config = get_config()
        if config.dead_letters_enabled:
            _keep(_sealed(letter), config)
    except Exception:
        logger.critical(
            "a dead letter is lost: kind=%s task=%s id=%s",
            letter.kind,
            letter.task,
            letter.task_id,
            exc_info=True,
        )


def store_spooled(config: Config) -> int:
    """Store the letters that wait in Redis and in this machine's file; return how many.

    One process at a time does: any other finds nothing to do.

    Raises:
        django.db.Error, redis.RedisError: a server is still, or again, away.
    """
    drain = lease("store-spooled-letters", DRAIN_SECONDS)
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
    return sealed(letter, datetime.now(UTC), uuid4().hex)


def _keep(letter: Letter, config: Config) -> None:
    limits = config.dead_letters

    def to_database() -> None:
        if not connection.in_atomic_block:
            # One that a restart of the server broke. Within a transaction Django would close any.
            connection.close_if_unusable_or_obsolete()
        if store(letter, limits.max_rows):
            # Missed deliveries have lines of their own, which are sampled: one dead subscriber
            # must not drown everything else.
            is_delivery = letter.kind is Kind.DELIVERY
            logger.log(
                logging.DEBUG if is_delivery else logging.ERROR,
                "dead letter: kind=%s task=%s id=%s exception=%s",
                letter.kind,
                letter.task,
                letter.task_id,
                letter.exception,
            )

    places: list[tuple[str, Callable[[], None]]] = [
        ("PostgreSQL", to_database),
        ("Redis", lambda: spool.push_to_redis(spool.encoded(letter), limits.spool_letters)),
    ]
    for place, keep in places:
        try:
            return keep()
        except Exception as error:  # noqa: BLE001 - whatever is wrong there, the next place is asked
            logger.warning("a dead letter does not go to %s: %s", place, describe(error).exception)
    return spool.append_to_file(spool.encoded(letter), config.home, limits.spool_bytes)


def _store_line(line: bytes, max_rows: int) -> None:
    """Store a spooled line. One that can never be stored leaves a letter that says so instead."""
    try:
        store(spool.decoded(line), max_rows)
    except (msgspec.DecodeError, DataError, IntegrityError) as error:
        told = describe(error)
        store(
            _sealed(
                Letter(
                    kind=Kind.HOOK,
                    exception=told.exception,
                    message=f"A spooled letter cannot be stored: {told.message}",
                    traceback=told.traceback,
                    body=line.decode("utf-8", "replace"),
                    is_complete=False,
                )
            ),
            max_rows,
        )
