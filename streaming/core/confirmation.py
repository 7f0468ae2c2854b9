"""Confirmations of one bookmaker: when the provider last looked at each of its markets.

A provider looks at a bookmaker's markets in one sweep, and stamps them within seconds of each
other, whether or not a price moved. So one time stands for nearly all of them. The exceptions are
kept by name: a market whose stamp lags behind is one that the provider no longer looks at, and its
prices are as old as its own stamp.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from streaming.core.staleness import StalenessPolicy, limit_seconds, with_gap

SWEEP_SECONDS = 5.0
"""Markets that are stamped within this time of each other were looked at in one sweep."""


@dataclass(frozen=True, slots=True)
class Book:
    """The state of a bookmaker within a feed; times in epoch seconds.

    Attributes:
        confirmed_at: when the provider last looked at any of its markets.
        limit_seconds: how long prices are trusted after a look.
        gaps: histogram of completed gaps: `streaming.core.staleness`.
        lagging: market id → when it was last looked at, for those that lag behind `confirmed_at`
            by more than a sweep.
        stale: ids of the markets whose prices are too old to trust, as it was last judged.
        is_silent: whether its quotes were quarantined, and nothing has confirmed it since.
    """

    confirmed_at: float
    limit_seconds: float
    gaps: Sequence[int] = ()
    lagging: Mapping[int, float] = field(default_factory=dict)
    stale: frozenset[int] = frozenset()
    is_silent: bool = False

    @property
    def expires_at(self) -> float:
        """The time at which it is too old as a whole, unless it is confirmed before."""
        return self.confirmed_at + self.limit_seconds

    @property
    def next_stale_at(self) -> float | None:
        """The time at which the next lagging market becomes too old; None if there is none."""
        stamps = [stamp for market, stamp in self.lagging.items() if market not in self.stale]
        return min(stamps) + self.limit_seconds if stamps else None

    def is_confirmed(self, at: float) -> bool:
        """Return True if its prices in an answer of that time can be trusted."""
        return not self.is_silent and at <= self.expires_at


@dataclass(frozen=True, slots=True)
class Looks:
    """A bookmaker's quotes in one answer, with the times of the provider's looks.

    Attributes:
        markets: the quotes' market ids, shape (q,), at least one.
        stamps: when the provider looked at each, in epoch seconds, none later than `at`, (q,).
        at: arrival of the answer, in epoch seconds.
        is_complete: the answer lists all of its markets. A market that an incremental answer leaves
            out is as it was.
        is_continuous: the answer before came so shortly before this one that a gap between stamps
            is the bookmaker's own.
        is_recorded: the time is a recording's. No task watches it, so no quote is quarantined when
            the bookmaker falls silent; instead, all its markets are stale once it is too old as a
            whole.
    """

    markets: npt.NDArray[np.int64]
    stamps: npt.NDArray[np.float64]
    at: float
    is_complete: bool = True
    is_continuous: bool = True
    is_recorded: bool = False


def look(book: Book | None, looks: Looks, floor_seconds: float, policy: StalenessPolicy) -> Book:
    """Return the bookmaker after an answer; the same object if the answer changes nothing.

    Args:
        book: its state before; None for a new one.
        looks: its quotes in the answer.
        floor_seconds: the provider's own limit.
        policy: the bounds of what may be learnt.

    >>> book = None
    >>> for at in (0.0, 60.0, 120.0, 180.0):  # the provider looks at the second market once
    ...     looks = Looks(np.array([1, 2]), np.array([at, 0.0]), at=at)
    ...     book = look(book, looks, 120, StalenessPolicy())
    >>> dict(book.lagging), sorted(book.stale)
    ({2: 0.0}, [2])
    """
    newest = float(looks.stamps.max())
    is_new = book is None or newest > book.confirmed_at
    if book is None:
        book = Book(newest, max(floor_seconds, 0.0))
    elif not (is_new or looks.is_recorded or book.is_confirmed(looks.at)):
        return book  # all of it is quarantined, or about to be
    confirmed_at = max(newest, book.confirmed_at)
    gap = completed_gap(book, looks) if looks.is_continuous else None
    gaps = book.gaps if gap is None else with_gap(book.gaps, gap)
    limit = book.limit_seconds
    if is_new or gap is not None:
        limit = limit_seconds(gaps, floor_seconds, policy)
    lagging = _lagging(book, looks, confirmed_at)
    after = Book(
        confirmed_at=confirmed_at,
        limit_seconds=limit,
        gaps=gaps,
        lagging=lagging,
        stale=_stale(book, looks, lagging, confirmed_at, limit),
        is_silent=book.is_silent and not is_new,
    )
    return book if after == book else after


def completed_gap(book: Book, looks: Looks) -> float | None:
    """Return the gap that an answer has completed, in seconds; None when no stamp has moved on.

    It is the median gap of the quotes whose stamp moved on. A market that had fallen behind the
    others by more than the limit is not counted: the provider had stopped looking at it, so its gap
    is not a usual one. Before any gap is known, every market is counted.
    """
    before = np.full(looks.stamps.shape, book.confirmed_at)
    if book.lagging:
        known = (book.lagging.get(market, book.confirmed_at) for market in looks.markets.tolist())
        before = np.fromiter(known, np.float64, before.size)
    counts = looks.stamps > before
    if any(book.gaps):
        counts &= book.confirmed_at - before <= book.limit_seconds
    gaps = np.sort((looks.stamps - before)[counts])
    return float(gaps[(gaps.size - 1) // 2]) if gaps.size else None


def _lagging(book: Book, looks: Looks, confirmed_at: float) -> dict[int, float]:
    lags = confirmed_at - looks.stamps > SWEEP_SECONDS
    # A market is as old as the oldest of its quotes.
    lagging: dict[int, float] = {}
    for market, stamp in zip(
        looks.markets[lags].tolist(), looks.stamps[lags].tolist(), strict=True
    ):
        lagging[market] = min(stamp, lagging.get(market, stamp))
    if not looks.is_complete and book.lagging:
        listed = set(looks.markets.tolist())
        lagging |= {m: stamp for m, stamp in book.lagging.items() if m not in listed}
    return lagging


def _stale(
    book: Book, looks: Looks, lagging: Mapping[int, float], confirmed_at: float, limit: float
) -> frozenset[int]:
    late = {market for market, stamp in lagging.items() if stamp + limit < looks.at}
    if looks.is_recorded and confirmed_at + limit < looks.at:
        late.update(looks.markets.tolist())
        if not looks.is_complete:
            late |= book.stale
    return frozenset(late)
