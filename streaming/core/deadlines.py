"""The bounds of one HTTP exchange with a provider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta as Setting


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """Limits on the time and the size of one fetch.

    Attributes:
        connect_timeout_seconds: name lookup, TCP connection and TLS handshake together.
        read_timeout_seconds: the longest silence between two reads.
        total_timeout_seconds: the whole exchange; a server that drips bytes never outlasts it. It
            ends before its task is asked to.
        max_body_bytes: the largest body, both on the wire and after decompression.
    """

    connect_timeout_seconds: float = 3.0
    read_timeout_seconds: float = 5.0
    total_timeout_seconds: Annotated[float, Setting(ge=5, le=14)] = 10.0
    max_body_bytes: int = 16 * 1024 * 1024
