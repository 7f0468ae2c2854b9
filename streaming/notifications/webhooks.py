"""Webhooks: one signed POST a delivery, to an address on the public internet.

The headers and the signature are those of Standard Webhooks. There is no second attempt within a
delivery: one that fails is a dead letter, and its replay is the second attempt.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from django.db import transaction

from betting.config import BusConfig
from streaming.bounded_http import HttpRequest, send_request
from streaming.core.deadlines import FetchPolicy
from streaming.core.failures import PermanentFailure, ProviderFailure, TransientFailure
from streaming.core.notifications import Notification
from streaming.core.signatures import signature, written
from streaming.models import SubscriberRecord, WebhookSubscriber
from streaming.notifications import bus

if TYPE_CHECKING:
    from aiohttp import ClientResponse

PRIVATE_SETTING = "HARDLINE_BUS_ALLOW_PRIVATE_NETWORKS"

CONNECT_TIMEOUT_SECONDS = 2.0
"""Name lookup, TCP connection and TLS handshake of a webhook, one lost packet included."""

_KEY_BYTES = 32
TRANSIENT = frozenset({408, 425, 429})


def subscribe(webhook: WebhookSubscriber) -> str:
    """Save a new webhook with a secret of its own.

    Returns:
        The secret, to be shown once: nothing shows it again.
    """
    webhook.secret = written(secrets.token_bytes(_KEY_BYTES))
    webhook.save(force_insert=True)
    bus.forget_routes()
    return webhook.secret


def unsubscribe(webhook: WebhookSubscriber) -> None:
    """Delete a webhook and its record; its deliveries stay for their retention."""
    with transaction.atomic():
        SubscriberRecord.objects.filter(subscriber=webhook.key).delete()
        webhook.delete()
    bus.forget_routes()


def post(
    webhook: WebhookSubscriber,
    delivery_id: str,
    notifications: Sequence[Notification],
    config: BusConfig,
    now: datetime,
) -> None:
    """Post notifications to a webhook; any status from 200 to 299 is a success, with any body.

    Args:
        webhook: the receiver's address, and the secret that signs.
        delivery_id: the header ``webhook-id``.
        notifications: the notifications that the body lists.
        config: the deadlines, and whether the receiver may be in a private network.
        now: the header ``webhook-timestamp``.

    Raises:
        TransientFailure: as `send_request` does, or ``http_<status>`` for 5xx, 408, 425 and 429.
        PermanentFailure: as `send_request` does, or ``http_<status>`` for another status.
    """
    # Built from the structs, so that a replay sends the same bytes: PostgreSQL reorders keys.
    body = msgspec.json.encode({"id": delivery_id, "events": notifications})
    timestamp = int(now.timestamp())
    request = HttpRequest(
        method="POST",
        url=webhook.url,
        label=f"POST to {webhook.name}",
        advice="Give the webhook an http:// or https:// address.",
        headers={
            "Content-Type": "application/json",
            "webhook-id": delivery_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(webhook.secret, delivery_id, timestamp, body),
        },
        body=body,
        private_setting="" if config.allow_private_networks else PRIVATE_SETTING,
    )
    status = send_request(request, _policy(config), _status)
    if not 200 <= status < 300:
        raise _refusal(status)


def _policy(config: BusConfig) -> FetchPolicy:
    return FetchPolicy(
        connect_timeout_seconds=CONNECT_TIMEOUT_SECONDS,
        read_timeout_seconds=config.total_timeout_seconds,
        total_timeout_seconds=config.total_timeout_seconds,
    )


async def _status(answer: ClientResponse) -> int:
    """Return the status, which decides alone; the rest of the answer is not read."""
    return answer.status


def _refusal(status: int) -> ProviderFailure:
    code, message = f"http_{status}", f"The receiver answered HTTP {status}."
    if status >= 500 or status in TRANSIENT:
        return TransientFailure(code, message)
    if 300 <= status < 400:
        return PermanentFailure(code, message, "Give the webhook the address it has moved to.")
    return PermanentFailure(code, message, "Check the webhook's address and its secret there.")
