"""Prices: odds formats, the margin, and the ladders of prices that bookmakers can show."""

from __future__ import annotations

from math import floor

from streaming.core.american import from_american, unrounded_american
from streaming.simulator.catalogue import Bookmaker, Ladder

# (upper bound of the price, or of American odds without sign; tick) of each ladder.
_TICKS: dict[Ladder, tuple[tuple[float, float], ...]] = {
    "decimal": ((5.0, 0.01), (10.0, 0.05), (20.0, 0.1), (50.0, 0.5), (1000.0, 1.0)),
    "american": ((200.0, 5.0), (500.0, 10.0), (1000.0, 25.0), (100000.0, 100.0)),
    "exchange": (
        (2.0, 0.01), (3.0, 0.02), (4.0, 0.05), (6.0, 0.1), (10.0, 0.2), (20.0, 0.5),
        (30.0, 1.0), (50.0, 2.0), (100.0, 5.0), (1000.0, 10.0),
    ),
}  # fmt: skip


def with_margin(probabilities: tuple[float, ...], overround: float, skew: float) -> list[float]:
    """Return implied probabilities 1/price that sum to 1 + overround.

    `skew` of the margin is spread equally, the rest in proportion, so that longshots carry more.

    >>> [round(r, 4) for r in with_margin((0.8, 0.2), 0.05, 0.5)]
    [0.8325, 0.2175]
    """
    flat = overround * skew / len(probabilities)
    scale = 1.0 + overround * (1.0 - skew)
    return [p * scale + flat for p in probabilities]


def shown_price(implied: float, book: Bookmaker) -> float:
    """Return the nearest price `book` can show; on an exchange, the one below.

    >>> from streaming.simulator.catalogue import BOOKMAKERS
    >>> books = {book.key: book for book in BOOKMAKERS}
    >>> [shown_price(1 / 1.937, books[key]) for key in ("pinnacle", "draftkings", "betfair_ex_eu")]
    [1.94, 1.95, 1.93]
    """
    price = 1.0 / min(implied, 0.99)
    if book.ladder == "american":
        odds = unrounded_american(price)
        tick = _tick(abs(odds), "american")
        snapped = from_american(round(odds / tick) * tick)
    elif book.is_exchange:
        tick = _tick(price, "exchange")
        snapped = floor(price / tick) * tick
    else:
        tick = _tick(price, "decimal")
        snapped = round(price / tick) * tick
    return max(1.01, round(snapped, 2))


def lay_price(implied: float, back: float) -> float:
    """Return the exchange's lay price, at least one tick above `back`.

    >>> lay_price(0.5, 1.98), lay_price(0.5, 2.5)
    (2.02, 2.52)
    """
    asked = max(1.0 / implied, back)
    tick = _tick(asked, "exchange")
    # The small term keeps a price that is on the ladder from falling to the tick below.
    return round((floor(asked / tick + 1e-9) + 1) * tick, 2)


def _tick(value: float, ladder: Ladder) -> float:
    ticks = _TICKS[ladder]
    return next((tick for below, tick in ticks if value < below), ticks[-1][1])
