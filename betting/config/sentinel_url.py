"""The address of a Redis that Sentinels look after: `redis+sentinel://:password@a,b,c/service/0`."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

SCHEMES = frozenset({"redis+sentinel", "rediss+sentinel"})
DEFAULT_PORT = 26_379
_OPTIONS = {"sentinel_password", "ssl_ca_certs"}


@dataclass(frozen=True, slots=True)
class SentinelUrl:
    """The parts of such an address.

    Attributes:
        sentinels: the host and port of each Sentinel.
        service: the name by which the Sentinels know the Redis servers.
        database: the number of the database.
        username: of the Redis servers; empty for the default user.
        password: of the Redis servers; empty for none.
        sentinel_password: of the Sentinels; empty for none.
        is_tls: whether all of them are asked over TLS.
        ca_file: the file of the authority that signed their certificates; empty for the system's.
    """

    sentinels: tuple[tuple[str, int], ...]
    service: str
    database: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    sentinel_password: str = field(default="", repr=False)
    is_tls: bool = False
    ca_file: str = ""

    @property
    def tls_options(self) -> dict[str, str]:
        """The options of TLS, as redis-py names them."""
        if not self.is_tls:
            return {}
        options = {"ssl_cert_reqs": "required"}
        return {**options, "ssl_ca_certs": self.ca_file} if self.ca_file else options


def is_sentinel_url(url: str) -> bool:
    """Return True if an address is one of Sentinels, right or wrong."""
    return urlsplit(url).scheme in SCHEMES


def parse_sentinel_url(url: str) -> SentinelUrl:
    """Split an address of Sentinels.

    Raises:
        ValueError: it is not one.

    >>> found = parse_sentinel_url("redis+sentinel://:p%40ss@a.local,b.local:26380/odds/2")
    >>> found.sentinels, found.service, found.database, found.password
    ((('a.local', 26379), ('b.local', 26380)), 'odds', 2, 'p@ss')
    """
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    service, _, database = parts.path.removeprefix("/").partition("/")
    options = parse_qs(parts.query, strict_parsing=bool(parts.query))
    if parts.scheme not in SCHEMES or not service or options.keys() - _OPTIONS:
        raise ValueError("not redis+sentinel://:password@host:port,host:port/service/0")
    return SentinelUrl(
        sentinels=tuple(_host_and_port(each) for each in hosts.split(",")),
        service=unquote(service),
        database=int(database or 0),
        username=unquote(username),
        password=unquote(password),
        sentinel_password=options.get("sentinel_password", [""])[0],
        is_tls=parts.scheme == "rediss+sentinel",
        ca_file=options.get("ssl_ca_certs", [""])[0],
    )


def _host_and_port(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("a Sentinel without a host")
    return parts.hostname, parts.port or DEFAULT_PORT
