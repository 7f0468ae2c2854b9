"""The comparison of a complete answer with what its feed offers already.

Most of an answer repeats what is known. It is compared here, column by column, so that PostgreSQL
has to look only at what differs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from betting.db.sql import Bigints, fetch_columns
from streaming.ingest.columns import QuoteColumns
from streaming.ingest.sql import OFFERED

Ids = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Offered:
    """The quotes of one feed that are not suspended, as columns of equal length.

    Attributes:
        quote_ids: the quotes.
        outcome_ids: the outcome of each.
        bookmaker_ids: the bookmaker of each.
        lays: whether each is a lay price.
        prices: decimal odds.
        are_active: whether each is on the board.
        closed_markets: the markets of the answer's events that have ended and that it cannot
            reopen. What it says of them does not count.
    """

    quote_ids: Ids
    outcome_ids: Ids
    bookmaker_ids: Ids
    lays: Flags
    prices: npt.NDArray[np.float64]
    are_active: Flags
    closed_markets: Ids


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference between a complete answer and what its feed offers.

    Attributes:
        rows: the places of the answer's quotes that differ from the feed's, or that the feed does
            not offer. Another feed may offer them.
        unlisted: ids of the feed's quotes that the answer does not list.
    """

    rows: npt.NDArray[np.intp]
    unlisted: Ids


def read_offered(feed_id: int, bound_events: Bigints) -> Offered:
    """Read what a feed offers, for a transaction that holds the family's lock.

    Args:
        feed_id: the feed.
        bound_events: the events that the answer cannot reopen.
    """
    parameters = {"feed": feed_id, "bound_events": bound_events}
    return Offered(*fetch_columns(OFFERED, parameters, is_prepared=True))


def compare(offered: Offered, columns: QuoteColumns) -> Difference:
    """Compare a complete answer with what its feed offers.

    No two quotes of either share outcome, bookmaker and side.
    """
    (listed,) = np.nonzero(~np.isin(columns.market_ids, offered.closed_markets))
    ours, theirs = _keys(
        (columns.outcome_ids[listed], columns.bookmaker_ids[listed], columns.lays[listed]),
        (offered.outcome_ids, offered.bookmaker_ids, offered.lays),
    )
    _, rows, places = np.intersect1d(ours, theirs, assume_unique=True, return_indices=True)
    prices = columns.prices[listed[rows]]
    is_same = offered.are_active[places] & (offered.prices[places] == prices)
    return Difference(
        rows=np.delete(listed, rows[is_same]),
        unlisted=np.delete(offered.quote_ids, places),
    )


def all_of(columns: QuoteColumns) -> Difference:
    """Return an incomplete answer as it is: it says nothing of what it does not list."""
    return Difference(rows=np.arange(columns.outcome_ids.size), unlisted=np.empty(0, np.int64))


def _keys(*quotes: tuple[Ids, Ids, Flags]) -> list[Ids]:
    """Return one number for each quote, the same for the same outcome, bookmaker and side."""
    outcomes, bookmakers, lays = (np.concatenate(parts) for parts in zip(*quotes, strict=True))
    # Beside an outcome's id there is room for the bookmaker's number, not for its id.
    known, numbers = np.unique(bookmakers, return_inverse=True)
    keys = (outcomes * known.size + numbers) * 2 + lays
    return np.split(keys, np.cumsum([len(ids) for ids, *_ in quotes])[:-1])
