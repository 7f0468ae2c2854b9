"""Which bookmakers and markets an answer confirms, and how long each may now go unconfirmed.

A provider can answer well and yet repeat a price that it no longer updates: all prices of a
bookmaker, or those of one market while the bookmaker's others are updated. Where its stamps say
when it looked, `streaming.core.confirmation` judges both by how long the bookmaker's stamps stand
still at most. The prices of a bookmaker that is too old are ignored, though the answer lists them;
a market that is too old stays on the board as stale, which `valuation` neither trusts nor advises.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from betting.db.sql import Bigints, fetch_all
from betting.models import MAX_POLLS
from streaming.core.confirmation import Book, Looks, look
from streaming.core.staleness import StalenessPolicy, lead_seconds
from streaming.ingest.columns import QuoteColumns


@dataclass(frozen=True, slots=True)
class FeedUpdate:
    """The update of a feed by an answer: when it arrived, and how its confirmations are judged.

    Attributes:
        feed_id: the feed.
        stamps_confirm: see `Snapshot`.
        is_complete: see `Snapshot`.
        is_recorded: the provider's time is that of a recording.
        received_at: arrival of the answer, not later than the database's now.
        previous_at: arrival of the answer before; None for the first.
        floor_seconds: the limit that is set for the provider.
        continuous_seconds: the longest time between two answers that counts as uninterrupted
            polling.
    """

    feed_id: int
    stamps_confirm: bool
    is_complete: bool
    is_recorded: bool
    received_at: datetime
    previous_at: datetime | None
    floor_seconds: float
    continuous_seconds: float

    @property
    def is_continuous(self) -> bool:
        """True if polling was uninterrupted, so that a bookmaker's silence was its own."""
        if self.previous_at is None:
            return False
        return self.received_at - self.previous_at <= timedelta(seconds=self.continuous_seconds)

    @property
    def is_judged(self) -> bool:
        """True if there is a time to judge confirmations by.

        Without stamps every answer confirms all that it lists, and a recording's time does not pass
        between answers.
        """
        return self.stamps_confirm or not self.is_recorded


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The quotes and markets that an answer confirms.

    Attributes:
        is_trusted: for each quote, whether what the answer says of its bookmaker can be trusted;
            shape (quotes,).
        leads: for each quote, by how many seconds the provider must have looked at it later than
            another provider did, to replace the other's price; shape (quotes,).
        aged: ids of the markets where a bookmaker's prices have become too old, or are confirmed
            again: they have to be valued.
    """

    is_trusted: npt.NDArray[np.bool_]
    leads: npt.NDArray[np.float64]
    aged: Bigints = field(default_factory=Bigints)


def confirm(update: FeedUpdate, quotes: QuoteColumns, policy: StalenessPolicy) -> Confirmed:
    """Record what an answer confirms, writing at most one row per bookmaker.

    Runs in the ingest's transaction, while the feed's row is locked.
    """
    shape = quotes.bookmaker_ids.shape
    if not update.is_judged or not quotes.bookmaker_ids.size:
        return Confirmed(np.ones(shape, np.bool_), np.full(shape, policy.takeover_seconds))
    known = _known(update.feed_id)
    ids, numbers = np.unique(quotes.bookmaker_ids, return_inverse=True)
    books = {
        bookmaker: look(known.get(bookmaker), looks, update.floor_seconds, policy)
        for bookmaker, looks in zip(ids.tolist(), _looks(update, quotes, numbers), strict=True)
    }
    _write(update, {key: book for key, book in books.items() if book is not known.get(key)})
    received = update.received_at.timestamp()
    is_trusted = [update.is_recorded or book.is_confirmed(received) for book in books.values()]
    leads = [lead_seconds(book.gaps, policy) for book in books.values()]
    return Confirmed(
        np.array(is_trusted, np.bool_)[numbers],
        np.array(leads, np.float64)[numbers],
        _aged(known, books),
    )


def _aged(known: Mapping[int, Book], books: Mapping[int, Book]) -> Bigints:
    aged: set[int] = set()
    for bookmaker, book in books.items():
        before = known[bookmaker].stale if bookmaker in known else frozenset()
        aged |= before ^ book.stale
    return Bigints(sorted(aged))


def _known(feed_id: int) -> dict[int, Book]:
    rows = fetch_all(_KNOWN, {"feed": feed_id}, is_prepared=True)
    return {
        bookmaker: Book(
            confirmed_at=confirmed_at,
            limit_seconds=limit,
            gaps=gaps,
            lagging=dict(zip(markets, (at.timestamp() for at in stamps), strict=True)),
            stale=frozenset(stale),
            is_silent=is_silent,
        )
        for bookmaker, confirmed_at, limit, gaps, markets, stamps, stale, is_silent in rows
    }


def _looks(
    update: FeedUpdate, quotes: QuoteColumns, numbers: npt.NDArray[np.intp]
) -> Iterator[Looks]:
    """Return when the provider looked at each quote: not later than it answered.

    Args:
        update: the answer.
        quotes: its quotes.
        numbers: for each quote, the number of its bookmaker, counted from 0.

    Returns:
        The looks at each bookmaker, in the order of their numbers.
    """
    received = update.received_at.timestamp()
    stamps = np.full(numbers.shape, received)
    if update.stamps_confirm:
        # A quote without a stamp (NaN is not below anything) counts as looked at when the answer
        # came.
        np.fmin(stamps, quotes.source_seconds, out=stamps)
    order = np.argsort(numbers, kind="stable")
    ends = np.cumsum(np.bincount(numbers))
    for rows in np.split(order, ends[:-1]):
        yield Looks(
            markets=quotes.market_ids[rows],
            stamps=stamps[rows],
            at=received,
            is_complete=update.is_complete,
            is_continuous=update.is_continuous,
            is_recorded=update.is_recorded,
        )


def _write(update: FeedUpdate, books: Mapping[int, Book]) -> None:
    if not books:
        return
    parameters = {
        "feed": update.feed_id,
        "polled_ats": [update.received_at] if update.is_complete else [],
        "polls": MAX_POLLS - 1,
        "bookmakers": Bigints(books),
        "confirmed_ats": [_moment(book.confirmed_at) for book in books.values()],
        "expires_ats": [_moment(book.expires_at) for book in books.values()],
        "gaps": [_array(book.gaps) for book in books.values()],
        "lagging_markets": [_array(book.lagging) for book in books.values()],
        "lagging_ats": [_array(map(_moment, book.lagging.values())) for book in books.values()],
        "stale_markets": [_array(sorted(book.stale)) for book in books.values()],
        # A recording's time does not pass between answers, so nothing becomes stale then.
        "next_stale_ats": [
            None if update.is_recorded or at is None else _moment(at)
            for at in (book.next_stale_at for book in books.values())
        ],
    }
    fetch_all(_WRITE, parameters, is_prepared=True)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _array(values: Iterable[object]) -> str:
    """Return an array as PostgreSQL writes it, for rows whose arrays differ in length."""
    return f"{{{','.join(map(str, values))}}}"


# The rows are locked: a sweep that marks a bookmaker silent, or a market stale, waits, and then
# sees what this answer offers.
_KNOWN = """
SELECT bookmaker_id, extract(epoch FROM confirmed_at)::float8,
       extract(epoch FROM expires_at - confirmed_at)::float8, gaps,
       lagging_markets, lagging_ats, stale_markets, silent_since IS NOT NULL
FROM betting_feedbook WHERE feed_id = %(feed)s
FOR NO KEY UPDATE
"""

_WRITE = """
INSERT INTO betting_feedbook AS known
    (feed_id, bookmaker_id, confirmed_at, expires_at, gaps, lagging_markets, lagging_ats,
     stale_markets, next_stale_at, polled_ats)
SELECT %(feed)s, bookmaker_id, confirmed_at, expires_at, gaps::int[], lagging_markets::bigint[],
       lagging_ats::timestamptz[], stale_markets::bigint[], next_stale_at,
       %(polled_ats)s::timestamptz[]
FROM unnest(
    %(bookmakers)s::bigint[], %(confirmed_ats)s::timestamptz[], %(expires_ats)s::timestamptz[],
    %(gaps)s::text[], %(lagging_markets)s::text[], %(lagging_ats)s::text[],
    %(stale_markets)s::text[], %(next_stale_ats)s::timestamptz[]
) AS b (bookmaker_id, confirmed_at, expires_at, gaps, lagging_markets, lagging_ats, stale_markets,
        next_stale_at)
ON CONFLICT (feed_id, bookmaker_id) DO UPDATE
SET confirmed_at = excluded.confirmed_at, expires_at = excluded.expires_at, gaps = excluded.gaps,
    lagging_markets = excluded.lagging_markets, lagging_ats = excluded.lagging_ats,
    stale_markets = excluded.stale_markets, next_stale_at = excluded.next_stale_at,
    silent_since = CASE WHEN excluded.confirmed_at > known.confirmed_at THEN NULL
                        ELSE known.silent_since END,
    polled_ats = CASE WHEN excluded.confirmed_at > known.confirmed_at
                      THEN (excluded.polled_ats || known.polled_ats)[:%(polls)s]
                      ELSE known.polled_ats END
RETURNING 1
"""
