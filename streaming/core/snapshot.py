"""What an adapter makes of a provider's answer: the only shape that ingest accepts."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

Side = Literal["back", "lay"]


class SnapshotQuote(msgspec.Struct, frozen=True, gc=False):
    """One bookmaker's price for one outcome, as an answer states it.

    Attributes:
        bookmaker: the bookmaker's key, e.g. ``pinnacle``.
        kind: the market's kind without its side or period, e.g. ``h2h``, ``alternate_spreads``.
        period: ``full``, or the part of the event the market is about, e.g. ``h1``.
        participant: whom the market is about (a player), or empty.
        name: the outcome's name as the provider writes it.
        point: the handicap or total as the answer states it; None where the kind has none.
        line: the point as the home side, or the over, sees it, so that −3.5 and +3.5 pair up.
        side: ``back`` or ``lay``.
        price: decimal odds, above 1; None says that the quote is no longer offered, which only an
            incremental message has to say: a complete answer leaves it out.
        source_at: the provider's own stamp; it moves without any reprice.
    """

    bookmaker: str
    kind: str
    period: str
    participant: str
    name: str
    point: float | None
    line: float | None
    side: Side
    price: float | None
    source_at: datetime | None


class SnapshotEvent(msgspec.Struct, frozen=True):
    """One event of an answer with its quotes.

    No two quotes share (bookmaker, kind, period, participant, name, point, side):
    of two equal keys in one answer the adapter keeps the last.
    """

    external_id: str
    sport_key: str
    sport_title: str
    home: str
    away: str
    commence_time: datetime
    quotes: list[SnapshotQuote]


class Snapshot(msgspec.Struct, frozen=True):
    """One decoded answer.

    Attributes:
        feed: the request's identity (path and markets, never a key). A complete answer to it
            lists every quote the feed owns: what it no longer lists is suspended.
        sport_key: the sport the request was about; empty for a stream's message about none.
        is_list: whether the answer lists every open event of the sport (so that a started event
            missing from it has ended), not one event alone.
        is_complete: False for an incremental message, which suspends nothing by silence.
        received_at: when the answer arrived; orders the answers of one feed.
        events: the answer's events, each once.
        bookmakers: bookmaker key → title, for every bookmaker named in the quotes.
        quotes_seen: outcomes in the answer as received, including those off the board
            (price of 1.0 or less) and repeated keys.
        stamps_confirm: the quotes' `source_at` says when the provider last looked at the
            bookmaker, so that a bookmaker whose stamps stand still is not confirmed by being
            listed. False where being listed is confirmation enough.
    """

    feed: str
    sport_key: str
    is_list: bool
    is_complete: bool
    received_at: datetime
    events: list[SnapshotEvent]
    bookmakers: dict[str, str]
    quotes_seen: int
    stamps_confirm: bool = False


def market_key(kind: str, period: str) -> str:
    """The market's key as feeds write it: the kind, with the period unless it is the whole event.

    >>> market_key("h2h", "full"), market_key("spreads", "h1")
    ('h2h', 'spreads_h1')
    """
    return kind if period == "full" else f"{kind}_{period}"
