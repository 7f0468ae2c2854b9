"""Counts of a message's deliveries that came to no end.

A task whose process dies is delivered again: at once when its process was killed, after the
visibility timeout when its whole worker was. A task that kills every process that runs it would be
delivered for ever, and Celery reports nothing. So each delivery after the first is counted before
the task runs, and the count is dropped when the task ends. The first delivery is not counted, and
costs nothing.
"""

from __future__ import annotations

from redis.exceptions import RedisError

from betting.config import get_config
from betting.db.redis import redis_client
from betting.logs import note

KEPT_SECONDS = 86_400


class DeliveriesExhaustedError(Exception):
    """The message came too often without coming to an end; it is not run again."""


def begin_again(task_id: str, retries: int) -> None:
    """Count a delivery that is not the first of its message.

    While Redis is away nothing is counted: the task runs.

    Raises:
        DeliveriesExhaustedError: there were too many.
    """
    config = get_config()
    if not config.dead_letters_enabled:
        return
    try:
        with redis_client().pipeline() as pipe:
            pipe.incr(_key(task_id, retries))
            pipe.expire(_key(task_id, retries), KEPT_SECONDS)
            again = int(pipe.execute()[0])
    except RedisError as error:
        words = f"a delivery is not counted, Redis is away: {error}"
        note("deadletter", "redelivery", words, status="degraded")
        return
    if again >= config.dead_letters.max_deliveries:
        raise DeliveriesExhaustedError(
            f"delivered {again} times without an end: what ran it was killed each time"
        )


def end(task_id: str, retries: int) -> None:
    """Forget the deliveries of a message that came to its end."""
    try:
        redis_client().delete(_key(task_id, retries))
    except RedisError as error:
        words = f"deliveries are not forgotten, Redis is away: {error}"
        note("deadletter", "redelivery", words, status="degraded")


def _key(task_id: str, retries: int) -> str:
    return f"hardline:deliveries:{task_id}:{retries}"
