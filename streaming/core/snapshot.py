"""Snapshots: a provider's answer as its adapter decodes it, the only form that ingest accepts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Literal, Protocol, overload

import msgspec
from msgspec import structs

from streaming.core.failures import DataFailure
from streaming.core.percentages import percent

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


class StampedQuotes(Sequence[SnapshotQuote]):
    """Quotes of markets, whose stamps are kept apart: they move while the prices stand.

    Args:
        markets: the quotes of each market, without a stamp.
        stamps: the stamp of each market.
    """

    def __init__(
        self, markets: list[tuple[SnapshotQuote, ...]], stamps: list[datetime | None]
    ) -> None:
        self.markets = markets
        self.stamps = stamps

    def __len__(self) -> int:
        """Return the number of quotes."""
        return sum(map(len, self.markets))

    def unstamped(self) -> list[SnapshotQuote]:
        """Return the quotes without their stamps, which is faster."""
        return list(chain.from_iterable(self.markets))

    @overload
    def __getitem__(self, index: int) -> SnapshotQuote: ...
    @overload
    def __getitem__(self, index: slice) -> list[SnapshotQuote]: ...
    def __getitem__(self, index: int | slice) -> SnapshotQuote | list[SnapshotQuote]:
        """Return one quote, or some, as they are in the list of all."""
        return list(self)[index]

    def __iter__(self) -> Iterator[SnapshotQuote]:
        """Return the quotes, each with its market's stamp."""
        for market, stamp in zip(self.markets, self.stamps, strict=True):
            for quote in market:
                yield structs.replace(quote, source_at=stamp)

    def __eq__(self, other: object) -> bool:
        """Return whether the quotes are the same as those of another sequence."""
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    def __hash__(self) -> int:
        """Refuse, as a list does."""
        raise TypeError("quotes are not hashable")


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
    quotes: Sequence[SnapshotQuote]


class LeftOut(msgspec.Struct, frozen=True):
    """Records of an answer that could not be read, for one reason, and were left out of it.

    Attributes:
        reason: a slug, as a `DataFailure` has it.
        place: where the first of them stands, e.g. ``$[3].bookmakers[0].markets[1].outcomes[0]``.
        message: what is wrong with the first.
        count: how many there are.
    """

    reason: str
    place: str
    message: str
    count: int = 1


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
        left_out: what could not be read, one entry a reason.
        unreadable_share: the part of the answer's items that `left_out` stands for. 0 in a stream,
            whose messages build on each other: prices that one leaves unknown are taken back.
        missed_events: ids of the events that are in the answer and were left out: they are not
            over.
        texts_cleaned: texts from which control and direction characters were removed.
        is_page: whether it is only a page of an answer: nothing is concluded before the last one.
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
    left_out: tuple[LeftOut, ...] = ()
    unreadable_share: float = 0.0
    missed_events: tuple[str, ...] = ()
    texts_cleaned: int = 0
    is_page: bool = False


class Sieved(Protocol):
    """A decoded answer of which a part may have been left out."""

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """The records that could not be read, one entry a reason."""
        ...

    @property
    def unreadable_share(self) -> float:
        """The part of the answer's items that `left_out` stands for."""
        ...


def require_readable(snapshot: Sieved, max_share: float) -> None:
    """Refuse an answer of which too much was left out: its provider has changed its format.

    Args:
        snapshot: the decoded answer.
        max_share: the largest part of its items that may be left out.

    Raises:
        DataFailure: more was; its code and place are those of the most frequent reason.
    """
    if snapshot.unreadable_share <= max_share:
        return
    worst = max(snapshot.left_out, key=lambda each: each.count)
    words = f"{percent(snapshot.unreadable_share)} of the answer cannot be read: {worst.message}"
    raise DataFailure(worst.reason, words, worst.place)


def merged(earlier: SnapshotEvent, later: SnapshotEvent) -> SnapshotEvent:
    """Merge two parts of an answer about one event: the later one decides where they differ.

    Prices of other teams, or of the same ones the other way round, are not taken over: their lines
    are seen from another side.
    """
    if (earlier.home, earlier.away) != (later.home, later.away):
        return later
    quotes = {_identity(quote): quote for quote in (*earlier.quotes, *later.quotes)}
    return structs.replace(later, quotes=list(quotes.values()))


def _identity(quote: SnapshotQuote) -> tuple[object, ...]:
    return (
        quote.bookmaker,
        quote.kind,
        quote.period,
        quote.participant,
        quote.name,
        quote.point,
        quote.side,
    )


def market_key(kind: str, period: str) -> str:
    """Return the market's key as feeds write it: the kind, and the period if not the whole event.

    >>> market_key("h2h", "full"), market_key("spreads", "h1")
    ('h2h', 'spreads_h1')
    """
    return kind if period == "full" else f"{kind}_{period}"
