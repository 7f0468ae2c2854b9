"""Betfair's own recordings: files of one market change message per line.

They hold up to twenty messages a second, most of which move no best price. Messages that were
published within `CONFLATION_MS` of each other are combined into one answer; a subscription to the
live stream may request the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec

from streaming.core.failures import DataFailure
from streaming.providers.base import Request, Response
from streaming.providers.betfair.book import moment
from streaming.providers.betfair.message import ADAPTER, MarketId, Milliseconds
from streaming.providers.fields import decoded
from streaming.providers.recording.lines import Line
from streaming.providers.sieve import Sieve

CONFLATION_MS = 1_000
"""One second, the resolution of the middle grade of history that Betfair sells. It turns two
recordings with 30,150 messages into 10,353 answers; 250 ms would give 18,928, 5 s 4,641."""


class _Line(msgspec.Struct):
    op: Annotated[str, msgspec.Meta(pattern=r"^mcm\Z")]  # a Literal's error would quote the line
    pt: Milliseconds
    mc: list[msgspec.Raw] | None = None


class _Market(msgspec.Struct):
    id: MarketId


_LINES = msgspec.json.Decoder(_Line)
_MARKETS = msgspec.json.Decoder(_Market)


def path_of(market_id: str) -> str:
    """Return the path that stands for a market in requests.

    >>> path_of("1.200000001")
    '/markets/1.200000001'
    """
    return f"/markets/{market_id}"


def requests(
    lines: Iterable[Line], base_url: str, sieve: Sieve, conflation_ms: int | None = None
) -> Iterator[Request]:
    """Yield the answers of one file, one for each market and window, in the order received.

    A line that cannot be read may be about any market: it ends the window, and the next answer of
    every market so far is marked as following a gap.

    Args:
        lines: the lines of the file.
        base_url: the file's address.
        sieve: counts the lines that can be read, and collects those that cannot.
        conflation_ms: the window, `CONFLATION_MS` if not given; 0 makes an answer of each message.
    """
    window = _Window(base_url, CONFLATION_MS if conflation_ms is None else conflation_ms)
    for line in lines:
        try:
            published, parts = _read(line)
        except DataFailure as fault:
            sieve.leave_out(fault)
            yield from window.close()
            window.note_gap()
            continue
        sieve.read += 1
        if not window.covers(published):
            yield from window.close()
        window.add(published, parts)
    yield from window.close()


_Parts = dict[str | None, bytes]
"""Market id → the part of a message about that market; None stands for all markets."""


def _read(line: Line) -> tuple[int, _Parts]:
    """Return when a message was published, and its part for each market.

    Raises:
        DataFailure: the line cannot be read; `where` is the line's place.
    """
    try:
        content = line.readable()
        message = decoded(_LINES.decode, content)
        changes = message.mc or []
        markets = [decoded(_MARKETS.decode, bytes(change)).id for change in changes]
    except DataFailure as fault:
        raise line.failure(fault) from None
    if len(changes) > 1:
        return message.pt, _parts(content, markets, changes)
    # A heartbeat names no market: it states that nothing has changed in any of them.
    return message.pt, {markets[0] if markets else None: content}


def _parts(line: bytes, markets: list[str], changes: list[msgspec.Raw]) -> _Parts:
    fields = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    by_market: dict[str | None, list[msgspec.Raw]] = defaultdict(list)
    for market, change in zip(markets, changes, strict=True):
        by_market[market].append(change)
    return {market: msgspec.json.encode({**fields, "mc": own}) for market, own in by_market.items()}


class _Window:
    """The messages that are combined into one answer per market.

    Args:
        base_url: the file's address.
        conflation_ms: the window's length.
    """

    def __init__(self, base_url: str, conflation_ms: int) -> None:
        self._base_url = base_url
        self._conflation_ms = conflation_ms
        self._starts: int | None = None
        self._now = 0
        self._lines: dict[str, list[bytes]] = {}  # every market so far; empty if not in the window
        self._received: dict[str, int] = {}
        self._gapped: set[str] = set()

    def covers(self, published: int) -> bool:
        """Return True if a message belongs to the messages added since the last close."""
        if self._starts is None:
            return True
        return self._starts <= published < self._starts + self._conflation_ms

    def add(self, published: int, parts: _Parts) -> None:
        """Add a message."""
        if self._starts is None:
            self._starts = published
        # Never back: an answer older than the previous one would be ignored, and a delta lost.
        self._now = max(self._now, published)
        for market, line in parts.items():
            for heard in list(self._lines) if market is None else [market]:
                self._lines.setdefault(heard, []).append(line)
                self._received[heard] = self._now

    def close(self) -> Iterator[Request]:
        """Yield the window's answers, in the order received; the next message begins another."""
        for market in sorted(self._received, key=self._received.__getitem__):
            yield self._request(market)
            self._lines[market] = []
        self._received = {}
        self._starts = None

    def note_gap(self) -> None:
        """Record, after a close, that a message was lost that may be about any market."""
        self._gapped.update(self._lines)

    def _request(self, market: str) -> Request:
        body = b"\n".join(self._lines[market])
        received_at = moment(self._received[market])
        answer = Response(200, {}, body, received_at, duration_ms=0.0, wire_bytes=len(body))
        follows_gap = market in self._gapped
        self._gapped.discard(market)
        return Request(
            ADAPTER, self._base_url, path_of(market), recorded=answer, follows_gap=follows_gap
        )
