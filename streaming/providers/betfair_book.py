"""The order book of Betfair markets, kept from market change messages. Pure.

An image replaces a market's prices, a delta amends them. The book holds prices without their
sizes: what there is to know of a size is whether it is 0.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from streaming.core.failures import DataFailure
from streaming.core.snapshot import Side
from streaming.providers.betfair_message import (
    LevelPriceSize,
    MarketChange,
    MarketDefinition,
    Message,
    PriceSize,
    RunnerChange,
    RunnerDefinition,
    UnsureChange,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(milliseconds: int) -> datetime:
    """A publish time as a moment, UTC.

    >>> moment(1_700_000_000_250).isoformat()
    '2023-11-14T22:13:20.250000+00:00'
    """
    return _EPOCH + timedelta(milliseconds=milliseconds)


class Offer(NamedTuple):
    """The best price on one side of a runner that can be bet on."""

    runner: RunnerDefinition
    side: Side
    price: float


class Depth(msgspec.Struct):
    """What is available on one side of a runner, in each view that a stream may have of it."""

    full: set[float] = set()
    displayed: dict[int, float] = {}
    best: dict[int, float] = {}

    def amend(
        self,
        full: Sequence[PriceSize],
        displayed: Sequence[LevelPriceSize],
        best: Sequence[LevelPriceSize],
    ) -> None:
        """Take in what a message says of it."""
        for price, size in full:
            if size:
                self.full.add(price)
            else:
                self.full.discard(price)
        for levels, changes in ((self.displayed, displayed), (self.best, best)):
            for level, price, size in changes:
                if size:
                    levels[level] = price
                else:
                    levels.pop(level, None)

    @property
    def prices(self) -> Collection[float]:
        """The prices of the fullest view there is: a stream carries the views it asked for."""
        return self.full or self.displayed.values() or self.best.values()


class Runner(msgspec.Struct):
    """What is available on a runner."""

    back: Depth = msgspec.field(default_factory=Depth)
    lay: Depth = msgspec.field(default_factory=Depth)

    def amend(self, change: RunnerChange) -> None:
        """Take in what a message says of it."""
        self.back.amend(change.atb, change.bdatb, change.batb)
        self.lay.amend(change.atl, change.bdatl, change.batl)


class Market(msgspec.Struct):
    """A market as the messages so far leave it.

    Attributes:
        definition: what it is, and its status.
        runners: what is available, by selection id and handicap. A runner may have prices before
            it is defined.
        in_play_at: when it was first seen in play.
        unsure: runners of whose prices a change was lost; nothing is known of them until an image.
    """

    definition: MarketDefinition
    runners: dict[tuple[int, float], Runner] = {}
    in_play_at: datetime | None = None
    unsure: set[tuple[int, float]] = set()

    @property
    def starts_at(self) -> datetime:
        """When its event starts: as announced, or when it went in play if that was earlier."""
        announced = self.definition.market_time.astimezone(UTC)
        return min(announced, self.in_play_at or announced)

    def offers(self) -> Iterator[Offer]:
        """The best price to back, and to lay, of each runner; nothing unless the market is open.

        A runner that was removed, or whose result is known, is not bet on any more.
        """
        if self.definition.status != "OPEN":
            return
        for definition in self.definition.runners:
            runner = self.runners.get((definition.id, definition.hc))
            if runner is None or definition.status != "ACTIVE":
                continue
            if runner.back.prices:
                yield Offer(definition, "back", max(runner.back.prices))
            if runner.lay.prices:
                yield Offer(definition, "lay", min(runner.lay.prices))

    def amend(self, change: MarketChange, published_at: datetime, *, is_image: bool) -> None:
        """Take in a change; one of an image says all there is."""
        if change.market_definition is not None:
            self.definition = change.market_definition
        if self.definition.in_play and self.in_play_at is None:
            self.in_play_at = published_at
        for runner_change in change.rc or ():
            key = (runner_change.id, runner_change.hc)
            if isinstance(runner_change, UnsureChange) and not is_image:
                self.unsure.add(key)
            if key in self.unsure:
                self.runners.pop(key, None)
                continue
            self.runners.setdefault(key, Runner()).amend(runner_change)


class Book:
    """The markets of one stream.

    A market's first message has to define it. That message counts as an image, whatever it says of
    itself: a recording that begins with the market's own beginning marks none.
    """

    def __init__(self) -> None:
        self._markets: dict[str, Market] = {}

    @property
    def markets(self) -> Mapping[str, Market]:
        """The markets heard of, by their ids."""
        return self._markets

    def apply(self, messages: Sequence[Message]) -> dict[str, bool]:
        """Take in messages: all of them, or none.

        Args:
            messages: in the order in which they were published.

        Returns:
            The markets they speak of, by id; whether an image of it was among them.

        Raises:
            DataFailure: a market that was never defined changes; the book is as it was.
        """
        self._check_defined(messages)
        heard: dict[str, bool] = {}
        for message in messages:
            for change in message.changes:
                is_image = message.is_image(change) or change.id not in self._markets
                if is_image:
                    self._replace(change)
                self._markets[change.id].amend(change, moment(message.pt), is_image=is_image)
                heard[change.id] = is_image or heard.get(change.id, False)
        return heard

    def _check_defined(self, messages: Sequence[Message]) -> None:
        defined = set(self._markets)
        for number, message in enumerate(messages):
            for change in message.changes:
                if change.market_definition is not None:
                    defined.add(change.id)
                elif change.id not in defined:
                    words = f"Market {change.id} changes before it is defined."
                    raise DataFailure("undefined_market", words, f"$[{number}].mc")

    def _replace(self, change: MarketChange) -> None:
        """Begin a market anew; an image without a definition leaves it the one it has."""
        known = self._markets.get(change.id)
        definition = change.market_definition
        if definition is None:
            assert known is not None, "checked before anything was taken in"
            definition = known.definition
        in_play_at = known.in_play_at if known is not None else None
        self._markets[change.id] = Market(definition, in_play_at=in_play_at)
