"""kombu's Redis transport, with which a worker survives envelopes and acknowledgements that fail.

kombu takes an envelope off its queue and then decodes it. When that fails the message is gone, and
the error ends the whole worker.

When Redis does not answer an acknowledgement in time, Celery logs it, and kombu counts the message
as delivered for ever. A worker that may hold one message then takes none any more, and looks well.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from kombu.transport import redis
from kombu.transport.virtual import base

from betting.logs import note
from streaming.dead_letters.capture import record_letter
from streaming.dead_letters.messages import letter_of_envelope

MAX_MESSAGE_BYTES = 1_048_576
"""A larger message is not run: the largest of ours carries an answer of 64 KiB."""

SENT_AT = "sent_at"
"""The property of a message that says when it was put on its queue, in seconds since 1970."""


class EnvelopeError(Exception):
    """An item of a queue is not a message.

    Attributes:
        content: what it is, as far as it could be read.
    """

    def __init__(self, words: str, content: object) -> None:
        super().__init__(words)
        self.content = content


class _DeliveryInfo(msgspec.Struct):
    """The queue that a message goes back to; kombu reads both when it takes the message in."""

    exchange: str
    routing_key: str


class _Properties(msgspec.Struct):
    delivery_tag: str
    delivery_info: _DeliveryInfo


class _Envelope(msgspec.Struct, rename="kebab"):
    """The parts of an envelope that kombu needs to take the message in, and to put it back."""

    properties: _Properties
    content_type: str | None = None
    content_encoding: str | None = None


class Message(base.Message):
    """A message that raises `EnvelopeError` for a payload of the wrong shape."""

    def __init__(self, payload: Any, channel: Any = None, **kwargs: Any) -> None:
        size = len(payload["body"]) if _has_body(payload) else 0
        if size > MAX_MESSAGE_BYTES:
            raise EnvelopeError(
                f"a message of {size:,} bytes is above the {MAX_MESSAGE_BYTES:,} allowed", payload
            )
        try:
            msgspec.convert(payload, _Envelope)
            super().__init__(payload, channel=channel, **kwargs)
        except Exception as error:
            raise EnvelopeError(f"not an envelope: {error!r}", payload) from error


class QoS(redis.QoS):
    """The messages that a worker holds: it may take another one, however the last one has ended.

    A message that Redis has not let go of is delivered again after the visibility timeout.
    """

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge a message."""
        with self._letting_go(delivery_tag):
            super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's signature
        """Refuse a message, or put it back."""
        with self._letting_go(delivery_tag):
            super().reject(delivery_tag, requeue)

    @contextmanager
    def _letting_go(self, delivery_tag: str) -> Iterator[None]:
        try:
            yield
        except Exception:
            base.QoS.ack(self, delivery_tag)
            raise


class Channel(redis.Channel):
    """A channel that records what cannot be decoded, and goes on with the next message.

    It stamps what it sends, so that a look at a queue shows how long its oldest message waits.
    """

    Message = Message
    QoS = QoS

    def _put(self, queue: str, message: dict[str, Any], **options: Any) -> None:
        message["properties"].setdefault(SENT_AT, time.time())
        super()._put(queue, message, **options)

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]  # the stubs leave it out
        except UnicodeDecodeError as error:
            _record(error.object, error)
        except ValueError as error:
            # json's own error holds the text it read.
            _record(getattr(error, "doc", ""), error)
        except RecursionError as error:
            _record("(nested too deeply to be read)", error)
        return True


class Transport(redis.Transport):
    """The transport, registered as ``redis`` and ``rediss`` in `betting.celery`."""

    Channel = Channel

    def _deliver(self, message: Any, queue: str | None) -> None:
        try:
            super()._deliver(message, queue)
        except EnvelopeError as error:
            _record(error.content, error, queue or "")


class SentinelChannel(Channel, redis.SentinelChannel):
    """The same, of the server that Sentinels name."""


class SentinelTransport(Transport, redis.SentinelTransport):
    """The transport, registered as ``sentinel``."""

    Channel = SentinelChannel


def _has_body(payload: Any) -> bool:
    return isinstance(payload, dict) and isinstance(payload.get("body"), str)


def _record(content: object, error: Exception, queue: str = "") -> None:
    letter = letter_of_envelope(content, queue, error)
    record_letter(letter)
    words = f"kombu could not decode a message: {letter.message}"
    note("deadletter", "undecodable", words, status="failed", level=logging.ERROR)
