"""One request to a provider and its whole answer, decompressed and within bounds."""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from streaming.bounded_http import HttpRequest, send_request
from streaming.core.deadlines import FetchPolicy
from streaming.core.failures import DataFailure
from streaming.providers.base import Authorisation, Request, Response, Secret

if TYPE_CHECKING:
    from aiohttp import ClientResponse

PRIVATE_SETTING = "HARDLINE_POLL_ALLOW_PRIVATE_NETWORKS"

MIN_REDACTED_CHARS = 16  # a shorter key may be a word that the answer rightly contains
MAX_ENCODINGS = 2  # one by the server and one by a proxy in front of it
_GZIP_WBITS = 31  # zlib: the largest window, gzip framing only
_GZIP_MAGIC = b"\x1f\x8b"
_MAGIC_BYTES = len(_GZIP_MAGIC)


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
        authorisation: the key in the form in which it is sent.
        policy: the bounds; the call returns or raises within its total deadline.
        is_private_allowed: True where the host may be off the public internet.

    Returns:
        Response: any status, with the key redacted wherever the answer echoes it.

    Raises:
        TransientFailure: ``timeout``, ``dns``, ``connect``, ``tls``, ``reset``, ``truncated``,
            ``protocol`` or ``network``.
        PermanentFailure: ``invalid_url``, ``forbidden_address``.
        DataFailure: ``too_large``, ``bad_encoding``.
    """
    started = time.perf_counter()
    sent = HttpRequest(
        method=request.method,
        url=request.url,
        label=f"{request.method} {request.path}",
        advice="Set the provider's base URL to an http:// or https:// address.",
        params=authorisation.params,
        headers={"Accept-Encoding": "gzip", **authorisation.headers},
        private_setting="" if is_private_allowed else PRIVATE_SETTING,
    )

    async def read(answer: ClientResponse) -> Response:
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

    return send_request(sent, policy, read)


def _redacted(data: bytes, authorisation: Authorisation) -> bytes:
    secret: Secret | None = authorisation.secret
    if secret is None or len(secret.value) < MIN_REDACTED_CHARS:
        return data
    return data.replace(secret.value.encode(), b"***")


class _Body:
    """A body being received, bounded in size both compressed and decompressed."""

    def __init__(self, headers: Mapping[str, str], max_bytes: int) -> None:
        self.wire_bytes = 0
        self._max_bytes = max_bytes
        self._content = bytearray()
        # The encoding that was applied last is removed first.
        encodings = headers.get("Content-Encoding", "").split(",")
        self._packed = [_Packed(each) for each in reversed(encodings) if _is_packed(each)]
        if len(self._packed) > MAX_ENCODINGS:
            raise DataFailure("bad_encoding", "The body is packed too many times.", "headers")
        declared = headers.get("Content-Length", "")
        if declared.isdecimal() and int(declared) > max_bytes:
            self._refuse()

    def feed(self, chunk: bytes) -> None:
        """Add a received chunk.

        Raises:
            DataFailure: the body is too large, or does not have the encoding it declares.
        """
        self.wire_bytes += len(chunk)
        if self.wire_bytes > self._max_bytes:
            self._refuse()
        for packed in self._packed:
            # One byte above the limit is enough to refuse; a bomb is decompressed no further.
            chunk = packed.unpack(chunk, self._max_bytes + 1)
            if len(chunk) > self._max_bytes:
                self._refuse()
        self._content += chunk
        if len(self._content) > self._max_bytes:
            self._refuse()

    def finish(self) -> bytes:
        """Return the whole body.

        Raises:
            DataFailure: the compressed stream is incomplete.
        """
        if self.wire_bytes and any(packed.is_cut_short for packed in self._packed):
            raise DataFailure("bad_encoding", "The packed body ends too early.", "body")
        return bytes(self._content)

    def _refuse(self) -> None:
        raise DataFailure("too_large", f"The body exceeds {self._max_bytes:,} bytes.", "body")


def _is_packed(encoding: str) -> bool:
    return encoding.strip().lower() not in {"", "identity"}


class _Packed:
    """One content encoding of a body, decoded as common clients do.

    A gzip body may have several members, and any bytes after the last; deflate is zlib's format,
    as the standard says, or the raw stream that some servers send.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding.strip().lower()
        if self._encoding not in {"gzip", "x-gzip", "deflate"}:
            words = "The body's encoding is neither gzip nor deflate."
            raise DataFailure("bad_encoding", words, "headers")
        self._stream: zlib._Decompress | None = None
        self._waiting = b""  # too few bytes to identify the format
        self._has_ended = False  # the last member has ended, and a tail follows

    @property
    def is_cut_short(self) -> bool:
        """Return True unless a whole stream has been received."""
        return not self._has_ended and (self._stream is None or not self._stream.eof)

    def unpack(self, data: bytes, room: int) -> bytes:
        """Decompress the next bytes, to at most `room` bytes.

        Raises:
            DataFailure: the bytes do not have the declared encoding.
        """
        unpacked = bytearray()
        data, self._waiting = self._waiting + data, b""
        while data and not self._has_ended:
            if self._stream is None or self._stream.eof:
                if len(data) < _MAGIC_BYTES:
                    self._waiting = data  # if nothing follows, a tail to ignore
                    break
                self._begin(data)
                continue
            unpacked += self._inflate(self._stream, data, room - len(unpacked))
            if len(unpacked) >= room:
                break  # too much: the caller refuses the body
            data = self._stream.unused_data
        return bytes(unpacked)

    def _inflate(self, stream: zlib._Decompress, data: bytes, room: int) -> bytes:
        with suppress(zlib.error):
            return stream.decompress(data, room)
        words = f"The body is not the {self._encoding} it claims to be."
        raise DataFailure("bad_encoding", words, "body")

    def _begin(self, data: bytes) -> None:
        """Begin a stream or its next member; treat anything else as a tail to ignore."""
        if self._encoding == "deflate":
            if self._stream is not None:
                self._has_ended = True
                return
            is_zlib = data[0] & 0x0F == 8 and int.from_bytes(data[:2]) % 31 == 0
            self._stream = zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
        elif self._stream is None or data.startswith(_GZIP_MAGIC):
            self._stream = zlib.decompressobj(_GZIP_WBITS)
        else:
            self._has_ended = True
