"""Market change messages of Betfair's Exchange Stream, as far as prices on offer need them.

Fields that are not named are ignored: the service asks its clients to accept new ones, and traded
volumes, last prices and starting prices (numbers, ``"NaN"`` and ``"Infinity"``) are not on offer. A
field that is missing or out of bounds is a fault: see `streaming.providers.betfair.parse`. Schema:
https://github.com/betfair/stream-api-sample-code/blob/master/ESASwaggerSchema.json
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from streaming.providers.fields import Moment, Name

ADAPTER = "betfair_stream"

# Lengths leave room for what a snapshot adds to them; prices and sizes are finite.
MarketId = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,4}\.[0-9]{1,20}\Z")]
EventId = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,64}\Z")]
EventTypeId = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,20}\Z")]
MarketType = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_]{1,64}\Z")]
SelectionId = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]
Milliseconds = Annotated[int, msgspec.Meta(ge=946_684_800_000, lt=4_133_980_800_000)]
Number = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
Position = Annotated[int, msgspec.Meta(ge=0, le=10_000)]
Handicap = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]

PriceSize = tuple[Number, Number]
"""A price and the size available at it; a size of 0 removes the price."""

LevelPriceSize = tuple[Position, Number, Number]
"""A level of the ladder (0 is the best), its price and size; a size of 0 empties the level."""


class RunnerDefinition(msgspec.Struct, gc=False):
    """One runner: a team, a horse, the draw. A stream that was recorded live gives no name."""

    id: SelectionId
    status: str
    name: Name | None = None
    hc: Handicap = 0.0


class MarketDefinition(msgspec.Struct, rename="camel"):
    """The description of a market; each new one replaces the previous one as a whole."""

    event_id: EventId
    event_type_id: EventTypeId
    betting_type: str
    market_type: MarketType
    market_time: Moment
    status: str
    in_play: bool
    runners: list[RunnerDefinition]
    event_name: Name | None = None
    name: Name | None = None


class RunnerChange(msgspec.Struct, gc=False):
    """The prices that have become available on a runner, or are no longer.

    Attributes:
        atb: available to back, the whole depth; `atl`: to lay.
        batb: the best few prices to back by their level; `batl`: to lay.
        bdatb: the displayed prices, with the bets that cross-matching makes; `bdatl`: to lay.
    """

    id: SelectionId
    hc: Handicap = 0.0
    atb: list[PriceSize] = []
    atl: list[PriceSize] = []
    batb: list[LevelPriceSize] = []
    batl: list[LevelPriceSize] = []
    bdatb: list[LevelPriceSize] = []
    bdatl: list[LevelPriceSize] = []

    @property
    def prices(self) -> int:
        """The number of prices that the change states."""
        ladders = (self.atb, self.atl, self.batb, self.batl, self.bdatb, self.bdatl)
        return sum(len(ladder) for ladder in ladders)


class UnsureChange(RunnerChange):
    """A change of which some prices could not be read: one of them may have been removed."""


class MarketChange(msgspec.Struct, rename="camel"):
    """The changes in one market; an image replaces all its known prices."""

    id: MarketId
    img: bool | None = None
    market_definition: MarketDefinition | None = None
    rc: list[RunnerChange] | None = None


class Message(msgspec.Struct):
    """One message.

    Attributes:
        op: market changes, the only kind of message that a recording holds.
        pt: when it was published, milliseconds since 1970.
        ct: ``SUB_IMAGE``, ``RESUB_DELTA`` or ``HEARTBEAT``; None for an ordinary change.
        mc: the markets that changed; none in a heartbeat.
    """

    op: Literal["mcm"]
    pt: Milliseconds
    ct: str | None = None
    mc: list[MarketChange] | None = None

    @property
    def changes(self) -> list[MarketChange]:
        """The markets that changed."""
        return self.mc or []

    def is_image(self, change: MarketChange) -> bool:
        """Return True if a change in the message is the complete state of its market."""
        return bool(change.img) or self.ct == "SUB_IMAGE"
