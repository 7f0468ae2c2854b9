"""The messages in the broker's queues, of Redis or of RabbitMQ."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from celery import current_app
from kombu.exceptions import OperationalError

from betting.config import get_config
from betting.db.redis import redis_client
from betting.runtime.broker import QUEUES, QUORUM, is_rabbitmq


def waiting_messages(names: Iterable[str] = QUEUES) -> dict[str, int]:
    """Return how many messages wait in each queue, for a worker to take them.

    Raises:
        kombu.exceptions.OperationalError, redis.RedisError: the broker is away.
    """
    if is_rabbitmq(get_config()):
        return _waiting_in_rabbitmq(names)
    with redis_client().pipeline(transaction=False) as asked:
        for name in names:
            asked.llen(name)
        return dict(zip(names, asked.execute(), strict=True))


def _waiting_in_rabbitmq(names: Iterable[str]) -> dict[str, int]:
    pool: Any = current_app.pool  # of connections, which its stubs do not know
    with pool.acquire(block=True) as connection:
        try:
            channel = connection.default_channel
            return {name: _declared(name, channel).message_count for name in names}
        except (*connection.connection_errors, *connection.channel_errors) as error:
            raise OperationalError(str(error)) from error


def _declared(name: str, channel: Any) -> Any:
    """Return what RabbitMQ says of a queue, which is made if no worker has done so yet."""
    return channel.queue_declare(name, durable=True, auto_delete=False, arguments=QUORUM)


def held_messages() -> int:
    """Ask all workers of RabbitMQ how many messages they hold, in a second."""
    inspect: Any = current_app.control.inspect(timeout=1.0)
    answers = [inspect.active() or {}, inspect.reserved() or {}, inspect.scheduled() or {}]
    return sum(len(held) for answer in answers for held in answer.values())
