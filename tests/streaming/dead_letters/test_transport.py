"""A worker's channel to a Redis that fails for a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kombu import Connection, Consumer, Producer, Queue
from redis import Redis
from redis.exceptions import TimeoutError as RedisTimeoutError

from betting.celery import app
from streaming.dead_letters.transport import Channel

QUEUE = "a-queue"


@pytest.fixture
def channel(redis: Redis) -> Iterator[Any]:  # noqa: ARG001 - asks for an empty Redis
    """The channel of a worker that may hold one message."""
    with app.connection_for_read() as connection:
        channel: Any = connection.channel()
        channel.basic_qos(0, 1, False)
        yield channel


def take(channel: Any) -> Any:
    """Send a message, and take it as a worker does."""
    queue = Queue(QUEUE, routing_key=QUEUE)
    Producer(channel).publish({}, routing_key=QUEUE, declare=[queue])
    taken: list[Any] = []
    consumer = Consumer(channel, [queue], on_message=taken.append)
    connection: Connection = channel.connection.client
    with consumer:
        connection.drain_events(timeout=5)
    return taken[0]


def refuse(*_: object, **__: object) -> None:
    raise RedisTimeoutError("Timeout reading from socket")


ENDS: dict[str, Callable[[Any], None]] = {
    "acknowledged": lambda message: message.ack(),
    "refused": lambda message: message.reject(),
    "put back": lambda message: message.requeue(),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_worker_takes_the_next_message_though_redis_did_not_hear_of_the_last_ones_end(
    channel: Any, monkeypatch: pytest.MonkeyPatch, end: Callable[[Any], None]
) -> None:
    message = take(channel)
    assert not channel.qos.can_consume()
    with monkeypatch.context() as patch:
        patch.setattr(Channel, "conn_or_acquire", refuse)
        with pytest.raises(RedisTimeoutError):
            end(message)

    assert channel.qos.can_consume()
    # Redis still has it, and delivers it again after the visibility timeout.
    assert channel.client.hlen(channel.unacked_key) == 1


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_message_that_ended_is_held_by_nobody(channel: Any, end: Callable[[Any], None]) -> None:
    end(take(channel))

    assert channel.qos.can_consume()
    assert channel.client.hlen(channel.unacked_key) == 0
