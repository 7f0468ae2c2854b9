"""One HTTP exchange with a provider, inside bounds that hold whatever the server does.

Each fetch has an event loop, a connection and a name lookup of its own. That costs about a
millisecond of CPU and a TLS handshake, and buys isolation: no provider can make another wait.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from streaming.core.deadlines import FetchPolicy
from streaming.core.failures import (
    DataFailure,
    PermanentFailure,
    ProviderFailure,
    TransientFailure,
)
from streaming.providers.base import Authorisation, Request, Response, Secret

USER_AGENT = "hardline/0.1.0"
HEADERS = {"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip"}

MIN_REDACTED_CHARS = 16  # a shorter key may be a word that the answer rightly contains
_GZIP_WBITS = 31  # zlib: the largest window, gzip framing only

# The first class that matches names the failure. Subclasses come before their bases.
_NETWORK_CODES: tuple[tuple[type[Exception], str, str], ...] = (
    (TimeoutError, "timeout", "a deadline passed"),
    (aiohttp.ClientConnectorDNSError, "dns", "the host name could not be resolved"),
    (aiohttp.ClientSSLError, "tls", "no secure connection could be made"),
    (aiohttp.ClientConnectorError, "connect", "the connection was not accepted"),
    (aiohttp.ServerDisconnectedError, "reset", "the connection was closed before an answer"),
    (aiohttp.ClientOSError, "reset", "the connection was reset"),
    (aiohttp.ClientPayloadError, "truncated", "the connection ended inside the body"),
    (aiohttp.ClientResponseError, "protocol", "the answer was not HTTP"),
)


def fetch(request: Request, authorisation: Authorisation, policy: FetchPolicy) -> Response:
    """Send the request and read the whole answer; redirects are not followed.

    Args:
        request: where and what to ask.
        authorisation: the key as it goes on the wire.
        policy: the bounds; the call returns or raises within its total deadline.

    Returns:
        Response: any status, with the key blotted out wherever the answer echoes it.

    Raises:
        TransientFailure: ``timeout``, ``dns``, ``connect``, ``tls``, ``reset``, ``truncated``,
            ``protocol`` or ``network``.
        PermanentFailure: ``invalid_url``.
        DataFailure: ``too_large``, ``bad_encoding``.
    """
    outcome = asyncio.run(_attempt(request, authorisation, policy))
    if isinstance(outcome, ProviderFailure):
        # Raised here, with nothing being handled: the client's own errors carry the URL, key
        # included, and must be neither cause nor context of what gets logged.
        raise outcome
    return outcome


async def _attempt(
    request: Request, authorisation: Authorisation, policy: FetchPolicy
) -> Response | ProviderFailure:
    try:
        async with asyncio.timeout(policy.total_timeout_seconds):
            return await _exchange(request, authorisation, policy)
    except ProviderFailure as failure:
        return failure.with_traceback(None)  # its frames hold the URL
    except _OnlyAttemptError as attempt:
        return _network_failure(attempt.error, request)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return _network_failure(error, request)


class _OnlyAttemptError(Exception):
    """What the one attempt ended in.

    Attributes:
        error: the client's own error.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


async def _once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep the client from asking again by itself when a connection is lost.

    It would ask a failing provider twice as often as anybody knows of.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _OnlyAttemptError(error) from None


def _network_failure(error: Exception, request: Request) -> ProviderFailure:
    if isinstance(error, (aiohttp.NonHttpUrlClientError, ValueError)):
        advice = "Set the provider's base URL to an http:// or https:// address."
        return PermanentFailure("invalid_url", "The request's address is not valid.", advice)
    named = ((code, words) for kind, code, words in _NETWORK_CODES if isinstance(error, kind))
    code, words = next(named, ("network", f"the exchange failed ({type(error).__name__})"))
    return TransientFailure(code, f"{request.method} {request.path}: {words}.")


async def _exchange(
    request: Request, authorisation: Authorisation, policy: FetchPolicy
) -> Response:
    started = time.perf_counter()
    async with (
        _session(policy) as session,
        session.request(
            request.method,
            URL(request.url).update_query(authorisation.params),
            headers=authorisation.headers,
            allow_redirects=False,
        ) as answer,
    ):
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


def _session(policy: FetchPolicy) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=_Resolver(), use_dns_cache=False, force_close=True),
        timeout=aiohttp.ClientTimeout(
            connect=policy.connect_timeout_seconds, sock_read=policy.read_timeout_seconds
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=HEADERS,
        middlewares=(_once,),
        auto_decompress=False,  # `_Body` does it, within a bound
    )


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


class _Resolver(AbstractResolver):
    """Looks a name up in a daemon thread that a deadline can leave behind.

    `getaddrinfo` cannot be cancelled. In the loop's own executor a lookup that hangs would be
    joined when the loop closes, and so outlast every deadline.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The host's addresses.

        Raises:
            OSError: the name does not resolve.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[ResolveResult]] = loop.create_future()

        def settle(found: list[ResolveResult] | OSError) -> None:
            if answer.done():
                return
            if isinstance(found, OSError):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        def look_up() -> None:
            found = _addresses(host, port, family)
            with suppress(RuntimeError):  # the loop has closed: nobody waits any more
                loop.call_soon_threadsafe(settle, found)

        threading.Thread(target=look_up, name=f"resolve {host}", daemon=True).start()
        return await answer

    async def close(self) -> None:
        """Nothing is held."""


def _addresses(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult] | OSError:
    try:
        found = socket.getaddrinfo(
            host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
    except UnicodeError:  # a label that IDNA cannot express
        return OSError("not a host name")
    except OSError as error:
        return error
    return [
        ResolveResult(
            hostname=host,
            host=str(address[0]),
            port=int(address[1]),
            family=found_family,
            proto=proto,
            flags=socket.AI_NUMERICHOST,
        )
        for found_family, _, proto, _, address in found
    ]
