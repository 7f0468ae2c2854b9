"""The times at which the quotes of a board were last confirmed, by their feeds and bookmakers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from valuation.arrays import BoolArray, FloatArray, IntArray, positions


@dataclass(frozen=True, slots=True)
class Feeds:
    """The feeds of some quotes, and when they last answered; times in epoch seconds.

    Attributes:
        bookmakers: ids of all bookmakers, (b,).
        ids: ids of the feeds, (f,).
        is_sound: whether the provider's circuit has not opened since the feed's last answer, (f,).
        is_recorded: whether the feed is a recording's, (f,).
        observed_at: the time of the feed's last answer, (f,).
        limit_seconds: how long that is trusted, (f,).
        heard_feed, heard_bookmaker: ids of the pairs that have confirmations of their own, (h,).
        heard_at: when the feed last confirmed the bookmaker, (h,).
        heard_limit_seconds: how long that is trusted, (h,).
    """

    bookmakers: IntArray
    ids: IntArray
    is_sound: BoolArray
    is_recorded: BoolArray
    observed_at: FloatArray
    limit_seconds: FloatArray
    heard_feed: IntArray
    heard_bookmaker: IntArray
    heard_at: FloatArray
    heard_limit_seconds: FloatArray

    def confirmed(self, of_feed: IntArray, of_bookmaker: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return when some bookmakers were last confirmed, and for how many seconds that holds.

        Args:
            of_feed: the position of each one's feed, (q,).
            of_bookmaker: its own position, (q,).
        """
        shape = self.ids.size, self.bookmakers.size
        last = np.broadcast_to(self.observed_at[:, np.newaxis], shape).copy()
        limit = np.broadcast_to(self.limit_seconds[:, np.newaxis], shape).copy()
        heard = (
            positions(self.ids, self.heard_feed),
            positions(self.bookmakers, self.heard_bookmaker),
        )
        last[heard], limit[heard] = self.heard_at, self.heard_limit_seconds
        return last[of_feed, of_bookmaker], limit[of_feed, of_bookmaker]


@dataclass(frozen=True, slots=True)
class Lagging:
    """The markets of a bookmaker within a feed that lag behind; times in epoch seconds.

    Attributes:
        feeds: ids of the feeds, (f,).
        bookmakers: ids of all bookmakers, (b,).
        markets: ids of the markets, (m,).
        feed, bookmaker, market: ids of the triples that are known, (k,).
        at: when the provider last looked at each; NaN where that is the bookmaker's own time, (k,).
        is_stale: whether it has been declared too old, (k,).
    """

    feeds: IntArray
    bookmakers: IntArray
    markets: IntArray
    feed: IntArray
    bookmaker: IntArray
    market: IntArray
    at: FloatArray
    is_stale: BoolArray

    def confirmed(
        self,
        of_feed: IntArray,
        of_bookmaker: IntArray,
        of_market: IntArray,
        confirmed_at: FloatArray,
    ) -> tuple[FloatArray, BoolArray]:
        """Return when some quotes were last confirmed, and which have been declared too old.

        Args:
            of_feed: the position of each one's feed, (q,).
            of_bookmaker: the position of its bookmaker, (q,).
            of_market: the position of its market, (q,).
            confirmed_at: when its bookmaker was confirmed, (q,).
        """
        if not self.feed.size:
            return confirmed_at, np.zeros(confirmed_at.shape, np.bool_)
        known = self._number(
            positions(self.feeds, self.feed),
            positions(self.bookmakers, self.bookmaker),
            positions(self.markets, self.market),
        )
        order = np.argsort(known)
        wanted = self._number(of_feed, of_bookmaker, of_market)
        place = order[np.minimum(np.searchsorted(known, wanted, sorter=order), order.size - 1)]
        is_known = known[place] == wanted
        at = np.where(is_known, self.at[place], np.nan)
        return np.where(np.isnan(at), confirmed_at, at), is_known & self.is_stale[place]

    def _number(self, feed: IntArray, bookmaker: IntArray, market: IntArray) -> IntArray:
        """Return one number for each triple of positions."""
        return (feed * self.bookmakers.size + bookmaker) * self.markets.size + market
