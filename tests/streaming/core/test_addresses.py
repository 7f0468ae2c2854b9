from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.addresses import is_public

PUBLIC = ["93.184.216.34", "1.1.1.1", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:8.8.8.8"]
REFUSED = {
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12::1"],
    "link-local": ["169.254.169.254", "fe80::1", "fe80::1%eth0"],
    "shared": ["100.64.0.1"],
    "multicast": ["224.0.0.1", "224.0.1.1", "239.1.1.1", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "2001:db8::1"],
    "unspecified": ["0.0.0.0", "0.1.2.3", "::"],
    "site-local": ["fec0::1"],
    "IPv4-mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"],
    "IPv4-compatible": ["::127.0.0.1"],
    "6to4": ["2002:7f00:1::", "2002:a00:1::"],
    "protocol assignments": ["192.0.0.8", "192.0.0.192", "2001::1", "2001:20::1"],
    "AS112": ["192.31.196.1", "192.175.48.1", "2620:4f:8000::1"],
    "tunnels": ["192.52.193.1", "192.88.99.1"],
    "documentation": ["198.51.100.1", "203.0.113.1", "3fff::1", "3fff:fff::1"],
    "unassigned": ["100::1", "64:ff9b:1::1", "4000::1", "5f00::1", "e000::1"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"],
}


@pytest.mark.parametrize("address", PUBLIC)
def test_a_host_on_the_public_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [pytest.param(each, id=f"{kind} {each}") for kind in REFUSED for each in REFUSED[kind]],
)
def test_anything_else_is_not(address: str) -> None:
    assert not is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_is_judged_the_same_however_ipv6_carries_it(address: object) -> None:
    expected = is_public(str(address))
    high, low = divmod(int(address), 2**16)  # type: ignore[call-overload]  # an IPv4Address
    assert is_public(f"::ffff:{address}") == expected
    assert is_public(f"64:ff9b::{high:x}:{low:x}") == expected
    assert is_public(f"2002:{high:x}:{low:x}::") == expected


def test_a_name_is_not_an_address() -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        is_public("odds.example")
