"""The exchange of a request and its answer, by aiohttp.

Each request has an event loop, a connection and a name lookup of its own. That costs about a
millisecond of CPU and a TLS handshake, and buys isolation: no server can make another wait.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.typedefs import LooseHeaders
from yarl import URL

from streaming.bounded_http import HttpRequest
from streaming.core.addresses import is_public
from streaming.core.deadlines import FetchPolicy
from streaming.core.failures import PermanentFailure, ProviderFailure, TransientFailure

USER_AGENT = "hardline/0.2.0"

T = TypeVar("T")
AddressInfo = tuple[int, int, int, str, tuple[str | int, ...]]
"""As `socket.getaddrinfo` returns it: family, type, protocol, canonical name, address."""

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


def exchange(
    request: HttpRequest,
    policy: FetchPolicy,
    read: Callable[[aiohttp.ClientResponse], Awaitable[T]],
) -> T:
    """Send a request and return what `read` makes of its answer; see `send_request`."""
    outcome = asyncio.run(_attempt(request, policy, read))
    if isinstance(outcome, ProviderFailure):
        # Raised here, with nothing being handled: the client's own errors carry the URL, secrets
        # included, and must be neither cause nor context of what gets logged.
        raise outcome
    return outcome


async def _attempt(
    request: HttpRequest,
    policy: FetchPolicy,
    read: Callable[[aiohttp.ClientResponse], Awaitable[T]],
) -> T | ProviderFailure:
    try:
        async with (
            asyncio.timeout(policy.total_timeout_seconds),
            _session(policy, is_public_only=bool(request.private_setting)) as session,
            session.request(
                request.method,
                URL(request.url).update_query(request.params),
                headers=request.headers,
                data=request.body,
                allow_redirects=False,
            ) as answer,
        ):
            return await read(answer)
    except ProviderFailure as failure:
        return failure.with_traceback(None)  # its frames hold the URL
    except _OnlyAttemptError as attempt:
        return _network_failure(attempt.error, request)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return _network_failure(error, request)


class _OnlyAttemptError(Exception):
    """The error that ended the only attempt.

    Attributes:
        error: the client's own error.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


async def _once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep the client from retrying by itself when a connection is lost.

    It would ask a failing server twice as often as our polls and circuits know of.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _OnlyAttemptError(error) from None


def _network_failure(error: Exception, request: HttpRequest) -> ProviderFailure:
    if isinstance(error, aiohttp.NonHttpUrlClientError | ValueError):
        return PermanentFailure(
            "invalid_url", "The request's address is not valid.", request.advice
        )
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(
        error.os_error, _NotPublicError
    ):
        return PermanentFailure(
            "forbidden_address",
            f"{request.label}: the host is not on the public internet.",
            f"Set {request.private_setting}=true if it is one of your own.",
        )
    named = ((code, words) for kind, code, words in _NETWORK_CODES if isinstance(error, kind))
    code, words = next(named, ("network", f"the request failed ({type(error).__name__})"))
    return TransientFailure(code, f"{request.label}: {words}.")


def _session(policy: FetchPolicy, *, is_public_only: bool) -> aiohttp.ClientSession:
    headers: LooseHeaders = {"User-Agent": USER_AGENT, "Accept": "application/json"}
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            resolver=_Resolver(),
            use_dns_cache=False,
            force_close=True,
            socket_factory=_public_socket if is_public_only else None,
        ),
        timeout=aiohttp.ClientTimeout(
            connect=policy.connect_timeout_seconds, sock_read=policy.read_timeout_seconds
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=headers,
        middlewares=(_once,),
        auto_decompress=False,  # the reader of the body does it, within a bound
    )


class _NotPublicError(OSError):
    """A refused address; its text is always the same, so that several count as one error."""

    def __init__(self) -> None:
        super().__init__("not a public address")


def _public_socket(address: AddressInfo) -> socket.socket:
    """Return a socket for an address, literal or looked up, that is about to be connected to.

    This is the last moment at which an address can be refused: no later lookup can change it.

    Raises:
        _NotPublicError: the address is not on the public internet.
    """
    family, kind, protocol, _, where = address
    if not is_public(str(where[0])):
        raise _NotPublicError
    return socket.socket(family, kind, protocol)


class _Resolver(AbstractResolver):
    """A resolver that looks names up in daemon threads, which a deadline can leave behind.

    `getaddrinfo` cannot be cancelled. In the loop's own executor a lookup that hangs would be
    joined when the loop closes, and so outlast every deadline.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the host's addresses.

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
            with suppress(RuntimeError):  # the loop has closed: nothing waits for it
                loop.call_soon_threadsafe(settle, found)

        threading.Thread(target=look_up, name=f"resolve {host}", daemon=True).start()
        return await answer

    async def close(self) -> None:
        """Do nothing: the resolver holds no resources."""


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
