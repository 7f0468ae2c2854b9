"""One request to a provider and its whole answer, unpacked and within bounds."""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

import aiohttp

from streaming.bounded_http import Call, exchange
from streaming.core.deadlines import FetchPolicy
from streaming.core.failures import DataFailure
from streaming.providers.base import Authorisation, Request, Response, Secret

PRIVATE_SETTING = "HARDLINE_POLL_ALLOW_PRIVATE_NETWORKS"

MIN_REDACTED_CHARS = 16  # a shorter key may be a word that the answer rightly contains
_GZIP_WBITS = 31  # zlib: the largest window, gzip framing only


def fetch(
    request: Request,
    authorisation: Authorisation,
    policy: FetchPolicy,
    *,
    is_private_allowed: bool = False,
) -> Response:
    """Send the request and read the whole answer; redirects are not followed.

    Args:
        request: where and what to ask.
        authorisation: the key as it goes on the wire.
        policy: the bounds; the call returns or raises within its total deadline.
        is_private_allowed: True where the host may be off the public internet.

    Returns:
        Response: any status, with the key blotted out wherever the answer echoes it.

    Raises:
        TransientFailure: ``timeout``, ``dns``, ``connect``, ``tls``, ``reset``, ``truncated``,
            ``protocol`` or ``network``.
        PermanentFailure: ``invalid_url``, ``forbidden_address``.
        DataFailure: ``too_large``, ``bad_encoding``.
    """
    started = time.perf_counter()
    call = Call(
        method=request.method,
        url=request.url,
        shown=f"{request.method} {request.path}",
        advice="Set the provider's base URL to an http:// or https:// address.",
        params=authorisation.params,
        headers={"Accept-Encoding": "gzip", **authorisation.headers},
        private_setting="" if is_private_allowed else PRIVATE_SETTING,
    )

    async def read(answer: aiohttp.ClientResponse) -> Response:
        received_at = datetime.now(UTC)
        body = _Body(answer.headers, policy.max_body_bytes)
        async for chunk in answer.content.iter_any():
            body.feed(chunk)
        return Response(
            status=answer.status,
            headers={
                name.lower(): _redacted(value.encode(errors="replace"), authorisation).decode()
                for name, value in answer.headers.items()
            },
            body=_redacted(body.finish(), authorisation),
            received_at=received_at,
            duration_ms=(time.perf_counter() - started) * 1000,
            wire_bytes=body.wire_bytes,
        )

    return exchange(call, policy, read)


def _redacted(data: bytes, authorisation: Authorisation) -> bytes:
    secret: Secret | None = authorisation.secret
    if secret is None or len(secret.value) < MIN_REDACTED_CHARS:
        return data
    return data.replace(secret.value.encode(), b"***")


class _Body:
    """A body under construction that never grows beyond its bound, compressed or not."""

    def __init__(self, headers: Mapping[str, str], max_bytes: int) -> None:
        self.wire_bytes = 0
        self._max_bytes = max_bytes
        self._content = bytearray()
        encoding = headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in {"identity", "", "gzip", "x-gzip"}:
            raise DataFailure("bad_encoding", "The body's encoding is not gzip.", "headers")
        self._gzip = zlib.decompressobj(_GZIP_WBITS) if "gzip" in encoding else None
        declared = headers.get("Content-Length", "")
        if declared.isdecimal() and int(declared) > max_bytes:
            self._refuse()

    def feed(self, chunk: bytes) -> None:
        """Take in what arrived.

        Raises:
            DataFailure: the body is too large, or not the gzip it claims to be.
        """
        self.wire_bytes += len(chunk)
        if self.wire_bytes > self._max_bytes:
            self._refuse()
        self._content += chunk if self._gzip is None else self._inflate(chunk)
        if len(self._content) > self._max_bytes:
            self._refuse()

    def finish(self) -> bytes:
        """The whole body.

        Raises:
            DataFailure: the gzip stream has no end.
        """
        if self._gzip is not None and self.wire_bytes and not self._gzip.eof:
            raise DataFailure("bad_encoding", "The gzip stream ends too early.", "body")
        return bytes(self._content)

    def _inflate(self, chunk: bytes) -> bytes:
        assert self._gzip is not None
        # One byte more than allowed is enough to know; a bomb unfolds no further.
        room = self._max_bytes - len(self._content) + 1
        with suppress(zlib.error):
            inflated = self._gzip.decompress(chunk, room)
            if not self._gzip.unused_data:
                return inflated
        raise DataFailure("bad_encoding", "The body is not one valid gzip stream.", "body")

    def _refuse(self) -> None:
        raise DataFailure("too_large", f"The body exceeds {self._max_bytes:,} bytes.", "body")
