"""The broker of Celery's messages: Redis, or the RabbitMQ that BROKER_URL names."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from kombu import Exchange, Queue

from betting import timing
from betting.config import Config
from betting.config.sentinel_url import is_sentinel_url, parse_sentinel_url
from betting.runtime.embedded import redis_url
from betting.runtime.redis_clients import sentinel_options

QUEUES = ("poll", "coalesce", "valuation", "major", "deliver")

QUORUM: Mapping[str, str] = {"x-queue-type": "quorum"}
"""The arguments of a queue of RabbitMQ whose messages are on several of its nodes."""

_FINE_MS, _COARSE_MS = 50, 500
_DELAYS_KEPT_MS = 3_600_000


def is_rabbitmq(config: Config) -> bool:
    """Return True if RabbitMQ carries the messages."""
    return config.broker_url is not None


def task_queues(config: Config) -> list[Queue]:
    """Return the queues that workers take from."""
    return [_queue(name, config) for name in QUEUES]


def _queue(name: str, config: Config) -> Queue:
    if not is_rabbitmq(config):
        return Queue(name, Exchange(name), routing_key=name)
    return Queue(name, Exchange(name), routing_key=name, queue_arguments=dict(QUORUM))


def transport_options(config: Config) -> dict[str, Any]:
    """Return the options of Celery's transport: every wait has a deadline."""
    seconds = timing.REDIS_TIMEOUT_SECONDS
    if is_rabbitmq(config):
        # A message is sent once the broker has it: a lost connection is an error of the sender.
        return {"confirm_publish": True, "read_timeout": seconds, "write_timeout": seconds}
    options = {
        # All workers of a broker need the same value: the shortest one applies.
        "visibility_timeout": timing.VISIBILITY_TIMEOUT_SECONDS,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "health_check_interval": 10,
    }
    url = redis_url(config)
    if not is_sentinel_url(url):
        return options
    address = parse_sentinel_url(url)
    asked = sentinel_options(address, socket_timeout=seconds, socket_connect_timeout=seconds)
    return {**options, "master_name": address.service, "sentinel_kwargs": asked}


def tls_options(config: Config) -> dict[str, Any] | None:
    """Return how Celery verifies the broker's certificate: by itself it accepts any.

    What the URL says of it holds; an address of Sentinels is taken apart.
    """
    if config.broker_url is not None:
        parts = urlsplit(config.broker_url)
        verified = {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": parts.hostname}
        return verified if parts.scheme == "amqps" else None
    url = redis_url(config)
    if is_sentinel_url(url):
        return parse_sentinel_url(url).tls_options or None
    return {"ssl_cert_reqs": "required"} if urlsplit(url).scheme == "rediss" else None


def delay_queue(name: str, seconds: float) -> Queue:
    """Return the queue of RabbitMQ in which messages wait before they move to another one.

    A worker that holds a message of a quorum queue until its time takes no other one meanwhile, and
    Celery's own delays are of whole seconds. All messages of one such queue wait equally long, so
    that none waits behind another.

    Args:
        name: the queue that they move to.
        seconds: the wait; it is rounded up, so that there are few such queues.

    >>> delay_queue("poll", 0.32).name
    'poll.after-350-ms'
    """
    step = _FINE_MS if seconds <= 1 else _COARSE_MS
    wait_ms = -(-int(seconds * 1000) // step) * step
    arguments = {
        **QUORUM,
        "x-message-ttl": wait_ms,
        "x-expires": wait_ms + _DELAYS_KEPT_MS,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": name,
        # Not lost if the other queue's leader is away at that moment.
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    waiting = f"{name}.after-{wait_ms}-ms"
    return Queue(waiting, Exchange(""), routing_key=waiting, queue_arguments=arguments)
