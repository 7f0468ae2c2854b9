"""The messages of Kalshi's WebSocket, as https://docs.kalshi.com describes them.

Every message comes in an envelope, a frame. `seq` numbers the frames of a subscription that must
not be lost, without gaps; acknowledgements are numbered too.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from streaming.core.failures import DataFailure, PermanentFailure, ProviderFailure, TransientFailure
from streaming.core.texts import one_line
from streaming.providers.fields import Description, ExternalId, parse_json
from streaming.providers.kalshi.contracts import Dollars
from streaming.providers.sieve import Sieve, salvaged

Serial = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
Milliseconds = Annotated[int, msgspec.Meta(ge=946_684_800_000, lt=4_102_444_800_000)]
"""Since 1970; within the years 2000 to 2099."""

Count = Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]{1,15}(\.[0-9]{1,2})?\Z")]
"""Contracts as Kalshi counts them, in hundredths at the finest, e.g. ``-3.13``."""

BookSide = Literal["yes", "no"]
Level = tuple[Dollars, Count]
Levels = list[Level]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Subscribed(msgspec.Struct, gc=False):
    """The start of a subscription, and of its frames' numbers."""

    channel: Description
    sid: Serial


class BookImage(msgspec.Struct, gc=False):
    """All bids for YES and for NO of one contract. An empty side may be left out."""

    market_ticker: ExternalId
    yes_dollars_fp: Levels = []
    no_dollars_fp: Levels = []


class BookDelta(msgspec.Struct, gc=False):
    """A change of the number of contracts that are bid for at one price."""

    market_ticker: ExternalId
    side: BookSide
    price_dollars: Dollars
    delta_fp: Count
    ts_ms: Milliseconds | None = None

    @property
    def at(self) -> datetime | None:
        """The time at which the exchange made the change."""
        return None if self.ts_ms is None else _EPOCH + timedelta(milliseconds=self.ts_ms)


class Refused(msgspec.Struct, gc=False):
    """The refusal of a command, or a failure of the service."""

    code: int | None = None
    msg: str = ""

    def failure(self) -> ProviderFailure:
        """Convert the code to a failure.

        Codes: https://docs.kalshi.com/getting_started/quick_start_websockets.
        """
        words = f"Error {self.code}: {one_line(self.msg)}"
        if self.code == _OVERFLOW:
            return DataFailure("overflow", words, "msg")
        if self.code in _PASSING:
            return TransientFailure("server_error", words)
        if self.code == _UNAUTHENTICATED:
            return PermanentFailure("key_rejected", words, "Check the key of the recorder.")
        return PermanentFailure("refused", words, "Check what the recorder subscribes to.")


_UNAUTHENTICATED = 9
_PASSING = frozenset({10, 17})  # a channel error, an internal error
_OVERFLOW = 25  # the service has dropped frames


class Unread(NamedTuple):
    """A message about one contract, of which nothing else can be read.

    Attributes:
        market_ticker: the contract.
        fault: what is wrong, with its place in the body.
    """

    market_ticker: str
    fault: DataFailure


Message = Subscribed | BookImage | BookDelta | Refused | Unread


class Frame(NamedTuple):
    """One message in its envelope.

    Attributes:
        place: the frame's place in the body.
        sid: its subscription.
        seq: its number among those of the subscription.
        message: None for an acknowledgement, or another channel's.
    """

    place: str
    sid: int | None
    seq: int | None
    message: Message | None


class _Envelope(msgspec.Struct, gc=False):
    type: Description
    sid: Serial | None = None
    seq: Serial | None = None
    msg: msgspec.Raw = msgspec.Raw(b"{}")


_ENVELOPES = msgspec.json.Decoder(_Envelope | list[_Envelope])
_MESSAGES: dict[str, msgspec.json.Decoder[Subscribed | BookImage | BookDelta | Refused]] = {
    "subscribed": msgspec.json.Decoder(Subscribed),
    "orderbook_snapshot": msgspec.json.Decoder(BookImage),
    "orderbook_delta": msgspec.json.Decoder(BookDelta),
    "error": msgspec.json.Decoder(Refused),
}
_LEVEL: Any = Level  # not a class, but msgspec can convert to it
_LADDERS = ("yes_dollars_fp", "no_dollars_fp")


class _About(msgspec.Struct, gc=False):
    market_ticker: ExternalId


_ABOUT = msgspec.json.Decoder(_About)


def parse_frames(body: bytes, sieve: Sieve) -> list[Frame]:
    """Return the frames of a body, which is one frame or an array of them.

    Args:
        body: the body as received.
        sieve: collects the levels of images that cannot be read. Any other message about a
            contract that cannot be read is `Unread`.

    Raises:
        DataFailure: as `parse_json` does, or a message cannot be read and names no contract: it is
            unknown which contract's change is lost.
    """
    envelopes = parse_json(_ENVELOPES, body)
    if isinstance(envelopes, _Envelope):
        return [_opened(envelopes, "$", sieve)]
    return [_opened(envelope, f"$[{number}]", sieve) for number, envelope in enumerate(envelopes)]


def _opened(envelope: _Envelope, place: str, sieve: Sieve) -> Frame:
    decoder = _MESSAGES.get(envelope.type)
    message: Message | None
    try:
        message = parse_json(decoder, bytes(envelope.msg)) if decoder else None
    except DataFailure as fault:
        inside = fault.where.removeprefix("$")
        placed = DataFailure(fault.code, fault.message, f"{place}.msg{inside}")
        message = _salvaged(envelope, placed, f"{place}.msg", sieve)
    return Frame(place, envelope.sid, envelope.seq, message)


def _salvaged(envelope: _Envelope, fault: DataFailure, place: str, sieve: Sieve) -> Message:
    """Return what can be read of a message that does not fit as a whole."""
    try:
        about = _ABOUT.decode(envelope.msg)
        image = msgspec.json.decode(envelope.msg)
    except (ValueError, RecursionError):
        raise fault from None
    if envelope.type != "orderbook_snapshot":
        return Unread(about.market_ticker, fault)
    found = Sieve()
    for name in _LADDERS:
        if isinstance(image.get(name), list):
            image[name] = salvaged(image[name], _LEVEL, {}, found, f"{place}.{name}")
    try:
        whole = msgspec.convert(image, BookImage)
    except msgspec.ValidationError:
        return Unread(about.market_ticker, fault)
    sieve.take_over(found)
    return whole
