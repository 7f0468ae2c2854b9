"""The work that all contenders of a benchmark get: markets, and bursts of changes, by a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from valuation.arrays import FloatArray

BOOKS = 10
OUTCOMES = 2
LIKELIEST = 0.7
"""The highest fair probability of an outcome; the lowest is 1 less this."""
MARGIN = 0.04
SMALL_STEP = 0.015
"""The furthest that an ordinary price is from its opening, as a part of it.

Two such prices differ by less than 3.1 %, and by less than 2.2 points of implied probability: no
change between them is a major move.
"""
MAJOR_STEP = 0.12
"""How much longer a price becomes by a major move."""
_DIGITS = 4

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Burst:
    """Changes that arrive together, each of another price; columns of shape (changes,).

    Attributes:
        market, book, outcome: what changes, from 0.
        price: the new price.
    """

    market: Indices
    book: Indices
    outcome: Indices
    price: FloatArray

    def __len__(self) -> int:
        return len(self.price)

    @property
    def markets(self) -> Indices:
        """The markets that change, each once, in order."""
        return np.unique(self.market)

    def applied_to(self, prices: FloatArray) -> FloatArray:
        """Return the prices after the burst; those given stay as they are."""
        after = prices.copy()
        after[self.market, self.book, self.outcome] = self.price
        return after


def opening_prices(markets: int, seed: int) -> FloatArray:
    """Return decimal odds of shape (markets, BOOKS, OUTCOMES).

    The first markets are the same however many there are.

    >>> opening_prices(2, seed=1).shape
    (2, 10, 2)
    >>> bool((opening_prices(3, seed=1)[:2] == opening_prices(2, seed=1)).all())
    True
    """
    random = np.random.default_rng([seed, 0])
    drawn = random.random((markets, 1 + BOOKS * OUTCOMES))
    fair = 1 - LIKELIEST + drawn[:, 0] * (2 * LIKELIEST - 1)
    implied = np.stack([fair, 1 - fair], axis=1)[:, np.newaxis, :] * (1 + MARGIN)
    noise = 1 + 0.01 * (drawn[:, 1:].reshape(markets, BOOKS, OUTCOMES) - 0.5)
    rounded: FloatArray = np.round(noise / implied, _DIGITS)
    return rounded


def ordinary_burst(
    opening: FloatArray, now: FloatArray, markets: Sequence[int], seed: int, step: int
) -> Burst:
    """Return a burst in which each bookmaker changes one price of each of some markets a little.

    Args:
        opening: what prices stay close to, so that no number of bursts leads away from it.
        now: the prices before the burst, ordinary ones.
        markets: those that change.
        seed: of the run.
        step: the number of the burst, so that two bursts differ.
    """
    random = np.random.default_rng([seed, 1, step])
    market = np.repeat(np.asarray(markets, dtype=np.int64), BOOKS)
    book = np.tile(np.arange(BOOKS, dtype=np.int64), len(markets))
    outcome = random.integers(0, OUTCOMES, market.size)
    factor = 1 + SMALL_STEP * (2 * random.random(market.size) - 1)
    price = np.round(opening[market, book, outcome] * factor, _DIGITS)
    unit = 10.0**-_DIGITS
    is_same = price == now[market, book, outcome]
    price[is_same] = np.round(price[is_same] + unit, _DIGITS)
    return Burst(market, book, outcome, price)


def single_change(opening: FloatArray, now: FloatArray, market: int, seed: int, step: int) -> Burst:
    """Return an ordinary change of one price of a market."""
    whole = ordinary_burst(opening, now, [market], seed, step)
    chosen = slice(step % BOOKS, step % BOOKS + 1)
    return Burst(
        whole.market[chosen], whole.book[chosen], whole.outcome[chosen], whole.price[chosen]
    )


def major_change(now: FloatArray, market: int, step: int) -> Burst:
    """Return a major move of one price of a market: longer, or back if it is long already."""
    book = step % BOOKS
    price = now[market, book, 0]
    is_long = price > 1.05 * float(np.median(now[market, :, 0]))
    moved = price / (1 + MAJOR_STEP) if is_long else price * (1 + MAJOR_STEP)
    return Burst(
        np.array([market], dtype=np.int64),
        np.array([book], dtype=np.int64),
        np.zeros(1, dtype=np.int64),
        np.round(np.array([moved]), _DIGITS),
    )


def digest(prices: FloatArray) -> str:
    """Return a digest of prices: equal exactly for equal ones.

    >>> digest(np.array([1.5])) == digest(np.array([1.5])) != digest(np.array([1.6]))
    True
    """
    cents = np.round(prices * 10**_DIGITS).astype(np.int64)
    return hashlib.sha256(cents.tobytes()).hexdigest()[:16]
