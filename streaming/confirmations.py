"""Which bookmakers an answer confirms, and how long each may now go unconfirmed.

A provider can answer well and yet pass on a bookmaker that it has stopped looking at. Where its
stamps say when it looked, a bookmaker whose stamps stand still for longer than they ever do
(`streaming.core.staleness`) is not heard, though the answer lists it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from betting.sql import Bigints, Booleans, fetch_all
from streaming.core.staleness import StalenessPolicy, limit_seconds, with_gap
from streaming.resolve import QuoteColumns


@dataclass(frozen=True, slots=True)
class Hearing:
    """How a feed was heard.

    Attributes:
        feed_id: the feed.
        stamps_confirm: see `Snapshot`.
        received_at: arrival of the answer, not later than the database's now.
        previous_at: arrival of the answer before; None for the first.
        floor_seconds: the provider's own limit.
        continuous_seconds: the longest time between two answers that is no silence of ours.
    """

    feed_id: int
    stamps_confirm: bool
    received_at: datetime
    previous_at: datetime | None
    floor_seconds: float
    continuous_seconds: float

    @property
    def is_continuous(self) -> bool:
        """Whether a bookmaker's silence was its own, and not ours or the provider's."""
        if self.previous_at is None:
            return False
        return self.received_at - self.previous_at <= timedelta(seconds=self.continuous_seconds)


@dataclass(frozen=True, slots=True)
class Book:
    """What is known of a bookmaker within a feed: the fields of `FeedBook`."""

    confirmed_at: datetime
    expires_at: datetime
    gaps: Sequence[int]
    is_silent: bool = False

    def is_confirmed(self, at: datetime) -> bool:
        """Whether what an answer of that time says of it can be trusted."""
        return not self.is_silent and at <= self.expires_at


def confirm(hearing: Hearing, quotes: QuoteColumns, policy: StalenessPolicy) -> Booleans:
    """Record which bookmakers an answer confirms.

    Runs in the ingest's transaction, under the feed's row.

    Returns:
        For each quote, whether its bookmaker is confirmed as of this answer; shape (quotes,).
    """
    known = _known(hearing.feed_id)
    books = {
        bookmaker: _after(known.get(bookmaker), stamp, hearing, policy)
        for bookmaker, stamp in _newest_stamps(hearing, quotes).items()
    }
    _write(hearing, {key: book for key, book in books.items() if book is not known.get(key)})
    is_confirmed = {key: book.is_confirmed(hearing.received_at) for key, book in books.items()}
    return Booleans(is_confirmed[bookmaker] for bookmaker in quotes.bookmaker_ids)


def _known(feed_id: int) -> dict[int, Book]:
    rows = fetch_all(_KNOWN, {"feed": feed_id})
    return {bookmaker: Book(*fields) for bookmaker, *fields in rows}


def _newest_stamps(hearing: Hearing, quotes: QuoteColumns) -> dict[int, datetime]:
    """Bookmaker → when the provider last looked at it, never later than the answer itself."""
    received = hearing.received_at.timestamp()
    newest: dict[int, float] = {}
    for bookmaker, stamp in zip(quotes.bookmaker_ids, quotes.source_seconds, strict=True):
        # A quote without a stamp (NaN is not below anything) is as new as the answer.
        looked = stamp if hearing.stamps_confirm and stamp < received else received
        newest[bookmaker] = max(looked, newest.get(bookmaker, looked))
    return {book: datetime.fromtimestamp(seconds, UTC) for book, seconds in newest.items()}


def _after(book: Book | None, stamp: datetime, hearing: Hearing, policy: StalenessPolicy) -> Book:
    """The bookmaker after an answer; the same object when the answer does not confirm it."""
    gaps: Sequence[int] = ()
    if book is not None:
        if stamp <= book.confirmed_at:
            return book
        gaps = book.gaps
        if hearing.is_continuous:
            gaps = with_gap(gaps, (stamp - book.confirmed_at).total_seconds())
    limit = timedelta(seconds=limit_seconds(gaps, hearing.floor_seconds, policy))
    return Book(stamp, stamp + limit, gaps)


def _write(hearing: Hearing, books: Mapping[int, Book]) -> None:
    if not books:
        return
    parameters = {
        "feed": hearing.feed_id,
        "bookmakers": Bigints(books),
        "confirmed_ats": [book.confirmed_at for book in books.values()],
        "expires_ats": [book.expires_at for book in books.values()],
        "gaps": [f"{{{','.join(map(str, book.gaps))}}}" for book in books.values()],
    }
    fetch_all(_WRITE, parameters)


# Locked: whoever marks a bookmaker silent meanwhile waits, and then sees what this answer offers.
_KNOWN = """
SELECT bookmaker_id, confirmed_at, expires_at, gaps, silent_since IS NOT NULL
FROM betting_feedbook WHERE feed_id = %(feed)s
FOR NO KEY UPDATE
"""

_WRITE = """
INSERT INTO betting_feedbook (feed_id, bookmaker_id, confirmed_at, expires_at, gaps)
SELECT %(feed)s, bookmaker_id, confirmed_at, expires_at, gaps::int[]
FROM unnest(
    %(bookmakers)s::bigint[], %(confirmed_ats)s::timestamptz[], %(expires_ats)s::timestamptz[],
    %(gaps)s::text[]
) AS b (bookmaker_id, confirmed_at, expires_at, gaps)
ON CONFLICT (feed_id, bookmaker_id) DO UPDATE
SET confirmed_at = excluded.confirmed_at, expires_at = excluded.expires_at, gaps = excluded.gaps,
    silent_since = NULL
RETURNING 1
"""
