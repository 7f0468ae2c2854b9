"""Checks of addresses that a person enters: web addresses, and hosts on the public internet."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

# Our own tables: Python's versions differ in which of these `ipaddress` calls global.
_IPV4_SPECIAL = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private use
            "100.64.0.0/10",  # shared by carriers
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link-local, where clouds keep their metadata
            "172.16.0.0/12",  # private use
            "192.0.0.0/24",  # IETF protocol assignments, metadata of a cloud among them
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112, answered by the nearest network
            "192.52.193.0/24",  # automatic multicast tunnelling
            "192.88.99.0/24",  # 6to4 relays, deprecated
            "192.168.0.0/16",  # private use
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarking
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
        ),
    )
)
_IPV6_SPECIAL = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # IETF protocol assignments: Teredo, benchmarking, ORCHID, drones
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation
        ),
    )
)
_IPV6_UNICAST = IPv6Network("2000::/3")
"""The space assigned for the public internet; addresses outside it are special or unassigned."""

_NAT64 = IPv6Network("64:ff9b::/96")


def web_address(url: str) -> SplitResult | None:
    """Return the parts of an http or https address with a host; None for anything else.

    >>> web_address("https://odds.example:8443/v4").hostname
    'odds.example'
    >>> [web_address(url) for url in ("ftp://odds.example", "http://[::1", "http://a:99999")]
    [None, None, None]
    """
    try:
        parts = urlsplit(url)
        is_one = bool(parts.scheme in {"http", "https"} and parts.hostname) and parts.port != 0
    except ValueError:  # an unclosed bracket, or an invalid port
        return None
    return parts if is_one else None


def is_public(address: str) -> bool:
    """Return True for an address of a host on the public internet.

    Addresses of IANA's special-purpose registries, multicast and unassigned space are not public,
    nor are IPv6 addresses that carry one of them: IPv4-mapped, 6to4 or NAT64.

    Args:
        address: IPv4 or IPv6; an IPv6 zone (``fe80::1%eth0``) is always local.

    Raises:
        ValueError: it is not an address.

    Source: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890), 2025.

    >>> is_public("93.184.216.34"), is_public("10.0.0.7"), is_public("::ffff:127.0.0.1")
    (True, False, False)
    """
    parsed = ip_address(address)
    if isinstance(parsed, IPv4Address):
        return _is_public_ipv4(parsed)
    if parsed.scope_id is not None:
        return False
    carried = _carried(parsed)
    if carried is not None:
        return _is_public_ipv4(carried)
    return parsed in _IPV6_UNICAST and not any(parsed in network for network in _IPV6_SPECIAL)


def is_private_literal(host: str | None) -> bool:
    """Return True for a host that is written as an address, or as this machine, and not public.

    >>> is_private_literal("10.0.0.7"), is_private_literal("localhost")
    (True, True)
    >>> is_private_literal("odds.example"), is_private_literal("93.184.216.34")
    (False, False)
    """
    try:
        return not is_public(host or "")
    except ValueError:
        return host == "localhost"


def _is_public_ipv4(address: IPv4Address) -> bool:
    return not any(address in network for network in _IPV4_SPECIAL)


def _carried(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address stands for, if any."""
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour
