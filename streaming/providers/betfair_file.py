"""Betfair's own recordings: files of one market change message a line.

They hold up to twenty messages a second, most of which move no best price. Messages that were
published within `CONFLATION_MS` of each other are one answer here, as a subscription to the live
stream may ask for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from streaming.core.failures import DataFailure, one_line
from streaming.providers.base import Request, Response
from streaming.providers.betfair_book import moment
from streaming.providers.betfair_message import ADAPTER, MarketId, Milliseconds

CONFLATION_MS = 1_000
"""One second, which is what Betfair sells as its middle grade of history. Of two recordings with
30,150 messages it makes 10,353 answers; 250 ms would make 18,928, 5 s would make 4,641."""


class _Line(msgspec.Struct):
    op: Literal["mcm"]
    pt: Milliseconds
    mc: list[msgspec.Raw] | None = None


class _Market(msgspec.Struct):
    id: MarketId


_LINES = msgspec.json.Decoder(_Line)
_MARKETS = msgspec.json.Decoder(_Market)


def path_of(market_id: str) -> str:
    """The path that stands for a market in requests.

    >>> path_of("1.200000001")
    '/markets/1.200000001'
    """
    return f"/markets/{market_id}"


def requests(lines: Iterable[tuple[str, bytes]], base_url: str) -> Iterator[Request]:
    """The answers of one file, one for each market and window, in the order received.

    Args:
        lines: the lines and where they stand, e.g. ``1.200000001.bz2:7``.
        base_url: the file's address.

    Raises:
        DataFailure: a line does not fit; `where` is its place.
    """
    window = _Window(base_url)
    for where, line in lines:
        published, parts = _read(line.strip(), where)
        if not window.covers(published):
            yield from window.close()
        window.add(published, parts)
    yield from window.close()


_Parts = dict[str | None, bytes]
"""A message as each of its markets hears it; None stands for every market there is."""


def _read(line: bytes, where: str) -> tuple[int, _Parts]:
    """When a message was published, and what it says to whom."""
    try:
        message = _LINES.decode(line)
        changes = message.mc or []
        markets = [_MARKETS.decode(change).id for change in changes]
    except (ValueError, RecursionError) as error:
        reason = one_line(str(error))
    else:
        if len(changes) > 1:
            return message.pt, _parts(line, markets, changes)
        # A heartbeat names none: it says of all of them that nothing has changed.
        return message.pt, {markets[0] if markets else None: line}
    raise DataFailure("bad_recording", f"The line is no market change message: {reason}.", where)


def _parts(line: bytes, markets: list[str], changes: list[msgspec.Raw]) -> _Parts:
    fields = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    by_market: dict[str | None, list[msgspec.Raw]] = defaultdict(list)
    for market, change in zip(markets, changes, strict=True):
        by_market[market].append(change)
    return {market: msgspec.json.encode({**fields, "mc": own}) for market, own in by_market.items()}


class _Window:
    """The messages that become one answer a market.

    Args:
        base_url: the file's address.
    """

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._starts: int | None = None
        self._now = 0
        self._lines: dict[str, list[bytes]] = {}  # every market so far; empty when not heard
        self._received: dict[str, int] = {}

    def covers(self, published: int) -> bool:
        """Whether a message belongs to what was added since the last close."""
        return self._starts is None or self._starts <= published < self._starts + CONFLATION_MS

    def add(self, published: int, parts: _Parts) -> None:
        """Take in a message."""
        if self._starts is None:
            self._starts = published
        # Never back: an answer older than the one before would be left aside, and a delta lost.
        self._now = max(self._now, published)
        for market, line in parts.items():
            for heard in list(self._lines) if market is None else [market]:
                self._lines.setdefault(heard, []).append(line)
                self._received[heard] = self._now

    def close(self) -> Iterator[Request]:
        """The answers of the window, in the order received; the next message begins another."""
        for market in sorted(self._received, key=self._received.__getitem__):
            yield self._request(market)
            self._lines[market] = []
        self._received = {}
        self._starts = None

    def _request(self, market: str) -> Request:
        body = b"\n".join(self._lines[market])
        received_at = moment(self._received[market])
        answer = Response(200, {}, body, received_at, duration_ms=0.0, wire_bytes=len(body))
        return Request(ADAPTER, self._base_url, path_of(market), recorded=answer)
