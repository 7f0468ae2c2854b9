"""Addresses that a person gives us: which are of the web, and which of the public internet."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

_NAT64 = IPv6Network("64:ff9b::/96")


def web_address(url: str) -> SplitResult | None:
    """The parts of an http or https address with a host; None for anything else.

    >>> web_address("https://odds.example:8443/v4").hostname
    'odds.example'
    >>> [web_address(url) for url in ("ftp://odds.example", "http://[::1", "http://a:99999")]
    [None, None, None]
    """
    try:
        parts = urlsplit(url)
        is_one = bool(parts.scheme in {"http", "https"} and parts.hostname) and parts.port != 0
    except ValueError:  # an unclosed bracket, or a port that is none
        return None
    return parts if is_one else None


def is_public(address: str) -> bool:
    """Whether an address is a host on the public internet.

    Private, loopback, link-local, shared, multicast, reserved and unspecified addresses are not,
    nor is an IPv6 address that carries one of them: IPv4-mapped, 6to4 or NAT64.

    Args:
        address: IPv4 or IPv6; an IPv6 zone (``fe80::1%eth0``) is always local.

    Raises:
        ValueError: it is not an address.

    >>> is_public("93.184.216.34"), is_public("10.0.0.7"), is_public("::ffff:127.0.0.1")
    (True, False, False)
    """
    parsed = ip_address(address)
    if isinstance(parsed, IPv4Address):
        return _is_public(parsed)
    if parsed.scope_id is not None:
        return False
    carried = _carried(parsed)
    return _is_public(parsed) if carried is None else _is_public(carried)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    is_site_local = isinstance(address, IPv6Address) and address.is_site_local
    return address.is_global and not (
        # Which of these count as global differs between versions of Python.
        address.is_multicast
        or address.is_reserved
        or address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or is_site_local
    )


def _carried(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for, if any."""
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour
