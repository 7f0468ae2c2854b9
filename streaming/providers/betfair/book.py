"""The order book of Betfair markets, kept from market change messages. Pure.

An image replaces a market's prices, a delta amends them. The book holds prices without their
sizes: of a size it only matters whether it is 0.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from streaming.core.failures import DataFailure
from streaming.core.snapshot import Side
from streaming.providers.betfair.message import (
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
    """Convert a publish time to a moment, UTC.

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
    """The prices available on one side of a runner, in each view that a stream may carry."""

    full: set[float] = set()
    displayed: dict[int, float] = {}
    best: dict[int, float] = {}

    def amend(
        self,
        full: Sequence[PriceSize],
        displayed: Sequence[LevelPriceSize],
        best: Sequence[LevelPriceSize],
    ) -> None:
        """Apply the changes that a message states."""
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
        """The prices of the fullest view present: a stream carries the views subscribed to."""
        return self.full or self.displayed.values() or self.best.values()


class Runner(msgspec.Struct):
    """The prices available on a runner."""

    back: Depth = msgspec.field(default_factory=Depth)
    lay: Depth = msgspec.field(default_factory=Depth)

    def amend(self, change: RunnerChange) -> None:
        """Apply the changes that a message states."""
        self.back.amend(change.atb, change.bdatb, change.batb)
        self.lay.amend(change.atl, change.bdatl, change.batl)


class Market(msgspec.Struct):
    """The state of a market after the messages so far.

    Attributes:
        definition: the market's description and status.
        runners: available prices, by selection id and handicap. A runner may have prices before
            it is defined.
        in_play_at: when the market was first seen in play.
        unsure: runners that lost a change of their prices; these are unknown until an image.
    """

    definition: MarketDefinition
    runners: dict[tuple[int, float], Runner] = {}
    in_play_at: datetime | None = None
    unsure: set[tuple[int, float]] = set()

    @property
    def starts_at(self) -> datetime:
        """The event's start: as announced, or when it went in play if that was earlier."""
        announced = self.definition.market_time.astimezone(UTC)
        return min(announced, self.in_play_at or announced)

    def offers(self) -> Iterator[Offer]:
        """Yield each runner's best price to back, and to lay; nothing unless the market is open.

        A runner that was removed, or whose result is known, can no longer be bet on.
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
        """Apply a change; a change in an image is complete."""
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

    A market's first message has to define it. That message counts as an image even if it is not
    marked as one: a recording that begins together with the market marks none.
    """

    def __init__(self) -> None:
        self._markets: dict[str, Market] = {}

    @property
    def markets(self) -> Mapping[str, Market]:
        """The markets of the messages so far, by their ids."""
        return self._markets

    def apply(self, messages: Sequence[Message]) -> dict[str, bool]:
        """Apply all of the messages, or none.

        Args:
            messages: in the order in which they were published.

        Returns:
            Id of each market in the messages → whether an image of it was among them.

        Raises:
            DataFailure: a market changes that was never defined; the book is unchanged.
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
        """Reset a market; an image without a definition keeps the known one."""
        known = self._markets.get(change.id)
        definition = change.market_definition
        if definition is None:
            assert known is not None, "checked before anything was taken in"
            definition = known.definition
        in_play_at = known.in_play_at if known is not None else None
        self._markets[change.id] = Market(definition, in_play_at=in_play_at)
