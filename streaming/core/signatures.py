"""Signatures of webhooks, so that a receiver can tell ours from anybody else's.

Source: the Standard Webhooks specification, https://www.standardwebhooks.com.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

SECRET_PREFIX = "whsec_"  # noqa: S105 - how every secret begins, not a secret


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of the header ``webhook-signature``.

    HMAC-SHA256 over ``{id}.{timestamp}.{body}``, in base64, after the scheme's version.

    Args:
        secret: ``whsec_`` and the key in base64.
        message_id: the header ``webhook-id``; the same whenever the message is sent again.
        timestamp: the header ``webhook-timestamp``, seconds since the epoch.
        body: exactly as it is sent.

    Raises:
        ValueError: the secret is not in that form.

    >>> signature("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", "msg_1", 1767225600, b"{}")
    'v1,r+oFAAy59wbab0JYUiB/8EklLRXfGN9YWIrxXdpiAsk='
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.digest(_key(secret), signed, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def written(key: bytes) -> str:
    """Return a key in the form that a receiver gets.

    >>> written(b"0123456789abcdef01234567")
    'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3'
    """
    return SECRET_PREFIX + base64.b64encode(key).decode()


def _key(secret: str) -> bytes:
    if not secret.startswith(SECRET_PREFIX):
        raise ValueError("a webhook secret begins with whsec_")
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("a webhook secret is base64 after its prefix") from None
