"""The quotes of an answer as columns of ids, prices and stamps.

Most events of an answer list what they last did, under newer stamps: `Listed` keeps their columns.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from math import nan

import numpy as np
import numpy.typing as npt

from streaming.core.snapshot import SnapshotQuote, StampedQuotes
from streaming.ingest.event_matching import KnownEvent, OutcomeKey


@dataclass(frozen=True, slots=True)
class QuoteColumns:
    """Quotes as columns of equal length.

    Attributes:
        outcome_ids: the outcome of each.
        market_ids: the market of each.
        bookmaker_ids: the bookmaker of each.
        lays: whether each is a lay price.
        prices: decimal odds; NaN for what is no longer offered.
        source_seconds: the provider's stamps, in seconds since 1970; NaN where there is none.
    """

    outcome_ids: npt.NDArray[np.int64]
    market_ids: npt.NDArray[np.int64]
    bookmaker_ids: npt.NDArray[np.int64]
    lays: npt.NDArray[np.bool_]
    prices: npt.NDArray[np.float64]
    source_seconds: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Listed:
    """The quotes that an answer last listed of an event, in ids.

    Attributes:
        known: the event.
        markets: the quotes, as `StampedQuotes` has them.
        sizes: how many there are of each market.
        columns: the quotes; their stamps do not count.
    """

    known: KnownEvent
    markets: list[tuple[SnapshotQuote, ...]]
    sizes: npt.NDArray[np.intp]
    columns: QuoteColumns

    def again(self, known: KnownEvent, quotes: Sequence[SnapshotQuote]) -> QuoteColumns | None:
        """Return the columns under new stamps; None if something else is listed now."""
        if known is not self.known or not isinstance(quotes, StampedQuotes):
            return None
        return self.stamped(quotes.stamps) if self.markets == quotes.markets else None

    def stamped(self, stamps: list[datetime | None]) -> QuoteColumns:
        """Return the columns under the stamps of the markets."""
        seconds = np.array([_seconds(stamp) for stamp in stamps], np.float64)
        return replace(self.columns, source_seconds=np.repeat(seconds, self.sizes))


def columns_of(
    known: KnownEvent, quotes: Sequence[SnapshotQuote], bookmakers: Mapping[str, int]
) -> tuple[QuoteColumns, Listed | None]:
    """Return an event's quotes as columns, and the part of them to keep for the next answer.

    Args:
        known: the event, with the outcomes of all of the quotes.
        quotes: as the answer lists them.
        bookmakers: key → id.

    Returns:
        The columns, and what to keep; None if their stamps decide which quotes count.
    """
    if isinstance(quotes, StampedQuotes):
        columns = _columns(_distinct(unstamped(quotes), known), known, bookmakers)
        if columns.prices.size == len(quotes):
            sizes = np.array([len(market) for market in quotes.markets], np.intp)
            listed = Listed(known, quotes.markets, sizes, columns)
            return listed.stamped(quotes.stamps), listed
    return _columns(_distinct(quotes, known), known, bookmakers), None


def joined(parts: Iterable[QuoteColumns]) -> QuoteColumns:
    """Return the quotes of several events as one set of columns."""
    columns = [_NONE, *parts]
    if len(columns) == 2:
        return columns[1]
    return QuoteColumns(
        *(
            np.concatenate([getattr(part, each.name) for part in columns])
            for each in fields(QuoteColumns)
        )
    )


def outcome_key(quote: SnapshotQuote) -> OutcomeKey:
    """Return the key of the quote's outcome within its event."""
    return (quote.kind, quote.period, quote.participant, quote.name, quote.point)


def unstamped(quotes: Sequence[SnapshotQuote]) -> Sequence[SnapshotQuote]:
    """Return the quotes without their stamps where that is faster."""
    return quotes.unstamped() if isinstance(quotes, StampedQuotes) else quotes


def _distinct(quotes: Sequence[SnapshotQuote], known: KnownEvent) -> Collection[SnapshotQuote]:
    """Return an event's quotes, no two of them for one outcome, bookmaker and side."""
    if known.spelling is None:
        return ()
    if not known.spelling.names:
        return quotes
    # The event may have one name for two of the provider's: the last quote decides.
    distinct = {
        (known.outcomes[outcome_key(quote)], quote.bookmaker, quote.side): quote for quote in quotes
    }
    return distinct.values()


def _columns(
    quotes: Collection[SnapshotQuote], known: KnownEvent, bookmakers: Mapping[str, int]
) -> QuoteColumns:
    ids = [known.outcomes[outcome_key(quote)] for quote in quotes]
    return QuoteColumns(
        outcome_ids=np.array([outcome_id for _, outcome_id in ids], np.int64),
        market_ids=np.array([market_id for market_id, _ in ids], np.int64),
        bookmaker_ids=np.array([bookmakers[quote.bookmaker] for quote in quotes], np.int64),
        lays=np.array([quote.side == "lay" for quote in quotes], np.bool_),
        prices=np.array([nan if q.price is None else q.price for q in quotes], np.float64),
        source_seconds=np.array([_seconds(quote.source_at) for quote in quotes], np.float64),
    )


def _seconds(stamp: datetime | None) -> float:
    return nan if stamp is None else stamp.timestamp()


_NONE = _columns((), KnownEvent(0), {})
