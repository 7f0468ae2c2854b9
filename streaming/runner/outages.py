"""Messages for people about servers and providers that are away."""

from __future__ import annotations

import django.db
from django.db.models import Q
from kombu.exceptions import OperationalError

from betting.config import Config, get_config
from betting.db.outages import BROKER_OUTAGES
from betting.runtime.broker import is_rabbitmq
from streaming.core.texts import one_line
from streaming.health.servers import look_at_redis
from streaming.models import Circuit, CircuitMode, CircuitState

_REFUSES = Q(mode=CircuitMode.FORCED_OPEN) | Q(mode=CircuitMode.AUTOMATIC) & ~Q(
    state=CircuitState.CLOSED
)


def sentence(error: Exception) -> str:
    r"""Say which server is away, by one of `OUTAGES`.

    >>> from redis.exceptions import RedisError
    >>> sentence(RedisError("Connection refused"))
    'Redis does not answer: Connection refused'
    >>> sentence(django.db.OperationalError("the connection is closed\nand more"))
    'PostgreSQL does not answer: the connection is closed'
    """
    server = "PostgreSQL" if isinstance(error, django.db.Error) else "Redis"
    if isinstance(error, OperationalError) and is_rabbitmq(get_config()):
        server = "RabbitMQ"
    first, *_ = str(error).splitlines() or [type(error).__name__]
    return f"{server} does not answer: {one_line(first)}"


def what_is_down(config: Config) -> list[str]:
    """List, in a sentence each, the reasons why nothing comes from Redis or from a provider.

    Raises:
        django.db.Error: PostgreSQL is away.
    """
    down = []
    try:
        look_at_redis(config)
    except BROKER_OUTAGES as error:
        down.append(sentence(error))
    refusing = Circuit.objects.filter(_REFUSES, provider__enabled=True).order_by("provider__key")
    for key, reason in refusing.values_list("provider__key", "reason"):
        down.append(f"{key} is not polled: {reason}")
    return down
