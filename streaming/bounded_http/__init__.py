"""One HTTP request to an external server, within bounds that no server can exceed.

The library that sends it is imported by the first request: that takes an eighth of the time in
which a worker or a command starts, most of which send none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from streaming.core.deadlines import FetchPolicy

if TYPE_CHECKING:
    from aiohttp import ClientResponse

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request, and how the messages of its failures describe it.

    Attributes:
        method: HTTP method.
        url: the address, which may hold a secret.
        label: what messages show instead of the address, e.g. ``GET /odds``.
        advice: what to do if the address is not valid.
        params: further query parameters.
        headers: further headers.
        body: the request's body.
        private_setting: the setting that would allow an address that is not on the public
            internet; without one, any address is allowed.
    """

    method: str
    url: str = field(repr=False)
    label: str
    advice: str
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    private_setting: str = ""


def send_request(
    request: HttpRequest,
    policy: FetchPolicy,
    read: Callable[[ClientResponse], Awaitable[T]],
) -> T:
    """Send a request and read its answer; redirects are not followed.

    Args:
        request: what is sent, and to where.
        policy: the bounds; it returns or raises within its total deadline.
        read: turns the answer into the result, and reads as much of the body as it needs.

    Raises:
        TransientFailure: ``timeout``, ``dns``, ``connect``, ``tls``, ``reset``, ``truncated``,
            ``protocol`` or ``network``.
        PermanentFailure: ``invalid_url``, ``forbidden_address``.
        ProviderFailure: as `read` raises it.
    """
    from streaming.bounded_http.exchange import exchange  # noqa: PLC0415 - see the module

    return exchange(request, policy, read)
