"""An order book of Kalshi: an image, and the changes after it."""

from __future__ import annotations

from collections.abc import Callable

from streaming.core.failures import DataFailure
from streaming.providers.kalshi.contracts import MICRO, Touch, micro
from streaming.providers.kalshi.frames import BookDelta, BookImage, Levels

LeaveOut = Callable[[DataFailure], None]


class Book:
    """The bids for YES and NO of one contract: price in micro-dollars → hundredths of a contract.

    >>> book = Book(BookImage("T", [("0.4200", "10.00"), ("0.4100", "5.00")], [("0.5600", "1.00")]))
    >>> book.touch()
    Touch(bid=420000, ask=440000)
    >>> book.add(BookDelta("T", "yes", "0.4200", "-10.00"))
    >>> book.touch()
    Touch(bid=410000, ask=440000)
    """

    __slots__ = ("_no", "_yes")

    def __init__(self, image: BookImage, leave_out: LeaveOut | None = None) -> None:
        """Build the book from an image.

        Args:
            image: the image as received.
            leave_out: called with the failure of an invalid level, which is then skipped: an
                incomplete ladder shows no better price than the market has.

        Raises:
            DataFailure: a level is invalid, and `leave_out` is None.
        """
        self._yes = _ladder(image.yes_dollars_fp, leave_out)
        self._no = _ladder(image.no_dollars_fp, leave_out)

    def add(self, delta: BookDelta) -> None:
        """Apply a change.

        Raises:
            DataFailure: the price is out of bounds, or the number of bids left is below 0.
        """
        ladder = self._yes if delta.side == "yes" else self._no
        level = _level(delta.price_dollars)
        left = ladder.get(level, 0) + _hundredths(delta.delta_fp)
        if left < 0:
            words = f"The count at {delta.price_dollars} is below 0."
            raise DataFailure("bad_delta", words, "delta_fp")
        if left:
            ladder[level] = left
        else:
            ladder.pop(level, None)

    def touch(self) -> Touch:
        """Return the best prices of YES; its ask is one dollar minus the best bid for NO."""
        best_no = max(self._no, default=None)
        return Touch(
            bid=max(self._yes, default=None),
            ask=None if best_no is None else MICRO - best_no,
        )


def _ladder(levels: Levels, leave_out: LeaveOut | None) -> dict[int, int]:
    ladder: dict[int, int] = {}
    for price, count in levels:
        try:
            _put(ladder, price, count)
        except DataFailure as fault:
            if leave_out is None:
                raise
            leave_out(fault)
    return {level: bid for level, bid in ladder.items() if bid}


def _put(ladder: dict[int, int], price: str, count: str) -> None:
    level, bid = _level(price), _hundredths(count)
    if level in ladder or bid < 0:
        raise DataFailure("bad_level", f"The bids at {price} make no sense.", "levels")
    ladder[level] = bid


def _level(price: str) -> int:
    level = micro(price)
    if not 0 < level < MICRO:
        raise DataFailure("bad_price", f"A bid of {price} is not possible.", "price_dollars")
    return level


def _hundredths(count: str) -> int:
    whole, _, fraction = count.partition(".")
    return int(f"{whole}{fraction:0<2}")
