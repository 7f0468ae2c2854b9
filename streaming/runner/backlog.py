"""The backlog of a run: empty once everything is valued and no message is under way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from celery import current_app
from django.db.models import F
from redis import Redis

from betting.config import get_config
from betting.db.broker import held_messages, waiting_messages
from betting.models import Market
from betting.runtime.broker import is_rabbitmq
from streaming.coalescing.buffer import pending_markets
from streaming.core.coalesce import CoalescePolicy


@dataclass(frozen=True, slots=True)
class Backlog:
    """The work that is left to do.

    Attributes:
        unvalued_markets: markets whose valuation is older than their quotes.
        buffered_markets: markets that wait for their batch.
        queued_messages: messages in Celery's queues.
        unacknowledged_messages: messages that a worker holds: being worked on, or in countdown.
    """

    unvalued_markets: int
    buffered_markets: int
    queued_messages: int
    unacknowledged_messages: int

    @property
    def is_empty(self) -> bool:
        """Return True if nothing is left."""
        return self == Backlog(0, 0, 0, 0)

    def __str__(self) -> str:
        """Return the backlog for people.

        >>> str(Backlog(3, 2, 1, 0))
        '3 markets unvalued, 2 buffered, 1 messages queued, 0 unacknowledged'
        """
        return (
            f"{self.unvalued_markets} markets unvalued, {self.buffered_markets} buffered,"
            f" {self.queued_messages} messages queued,"
            f" {self.unacknowledged_messages} unacknowledged"
        )


def backlog(policy: CoalescePolicy) -> Backlog:
    """Look at the database, the buffer and the queues.

    Raises:
        django.db.Error, redis.RedisError, kombu.exceptions.OperationalError: one is away.
    """
    queued, unacknowledged = _messages()
    return Backlog(
        unvalued_markets=Market.objects.exclude(version=F("valued_version")).count(),
        buffered_markets=pending_markets(policy),
        queued_messages=queued,
        unacknowledged_messages=unacknowledged,
    )


def _messages() -> tuple[int, int]:
    if is_rabbitmq(get_config()):
        waiting = sum(waiting_messages().values())
        return waiting, 0 if waiting else held_messages()
    with current_app.connection_for_read() as connection:
        # A channel of kombu's Redis transport, of which the type stubs do not know.
        channel: Any = connection.default_channel
        redis: Redis = channel.client
        lengths = [redis.llen(queue.name) for queue in current_app.conf.task_queues]
        return sum(lengths), redis.hlen(channel.unacked_key)
