"""Kalshi's order books as its WebSocket sends them: an image of each, then every change to it.

Only tapes, the recordings of a connection, are read: polling uses HTTP. One body is one frame, or
an array of frames in the order received, whose contracts are of one sport.

A tape names contracts by their tickers alone. Teams are named by their codes, and a game whose
ticker states no time is taken to start with its day: better live too early than too late.
Contracts of no league in `kalshi_tickers`, and outrights, are skipped.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time
from itertools import zip_longest
from typing import NoReturn

from streaming.core.failures import DataFailure, PermanentFailure, ProviderFailure
from streaming.core.snapshot import Snapshot, SnapshotEvent, SnapshotQuote
from streaming.providers.base import ProviderSettings, Request, Response
from streaming.providers.kalshi.adapter import refusal
from streaming.providers.kalshi.book import Book, LeaveOut
from streaming.providers.kalshi.contracts import BOOKMAKER, BOOKMAKER_TITLE, Touch, offers
from streaming.providers.kalshi.frames import (
    BookDelta,
    BookImage,
    Frame,
    Refused,
    Subscribed,
    Unread,
    parse_frames,
)
from streaming.providers.kalshi.listing import Listed, parse_ticker
from streaming.providers.kalshi.tickers import EASTERN
from streaming.providers.recording.adapter import Playback
from streaming.providers.sieve import Sieve

BOOKS_CHANNEL = "orderbook_delta"
MAX_CONTRACTS = 20_000
MAX_SUBSCRIPTIONS = 1_000
NOBODY = Touch(None, None)


@dataclass(slots=True)
class _Tracked:
    """One contract of a tape.

    Attributes:
        listed: the parts of its ticker.
        book: None until an image has come, and again once a change may have been missed.
        shown: its prices as last emitted, in the order of `offers`.
        source_at: the timestamp of the newest change.
    """

    listed: Listed
    book: Book | None = None
    shown: tuple[float | None, ...] = ()
    source_at: datetime | None = None


class KalshiTape:
    """The `Decoder` of one connection's frames, in their order.

    Frames build on each other. If one is missing, or cannot be read and names no contract, a change
    may have been lost: every book is discarded and has no prices until its next image, and its
    offers are withdrawn with the next frame about the sport. If a frame about one contract cannot
    be read, only that contract's book is discarded, at once.
    """

    def __init__(self) -> None:
        self._seqs: dict[int, int] = {}  # subscription → its newest frame's number
        self._tracked: dict[str, _Tracked] = {}
        self._touched: dict[str, None] = {}  # tickers whose prices may have changed, in order
        self._pairs: OrderedDict[str, tuple[str, str]] = OrderedDict()  # game → home, away

    def decode(self, request: Request, response: Response) -> Snapshot:
        """Return what the frames have changed since the last ones.

        Raises:
            DataFailure: a frame is missing (``gap``, ``overflow``), or cannot be read and names no
                contract.
            ProviderFailure: the service refused.
        """
        if response.status != 200:
            raise refusal(response)
        if request.follows_gap:
            self._forget()
        sieve = Sieve()
        try:
            sports, trouble = self._take(parse_frames(response.body, sieve), sieve)
        except DataFailure:
            self._forget()
            raise
        if trouble is not None:
            raise trouble
        quotes_seen, events = self._emit(sports)
        return Snapshot(
            feed=request.feed,
            sport_key=next(iter(sports), ""),
            is_list=False,
            is_complete=False,
            received_at=response.received_at,
            events=events,
            bookmakers={BOOKMAKER: BOOKMAKER_TITLE} if events else {},
            quotes_seen=quotes_seen,
            left_out=sieve.left_out,
        )

    def _take(
        self, frames: Iterable[Frame], sieve: Sieve
    ) -> tuple[set[str], ProviderFailure | None]:
        """Apply the frames; return their sport, if any, and the first failure found.

        All frames are applied: after a gap, they may include the images that restore the books.
        """
        sports: set[str] = set()
        trouble: ProviderFailure | None = None
        for frame in frames:
            fault = self._count(frame)
            if fault is None and isinstance(frame.message, Refused):
                fault = frame.message.failure()
            if isinstance(fault, DataFailure):
                self._forget(but=frame)
            trouble = trouble or fault
            try:
                sports |= self._apply(frame, sieve)
            except DataFailure as found:
                raise found.within(f"{frame.place}.msg") from None
        if len(sports) > 1:
            raise DataFailure("mixed_sports", "One body is about several sports.", "$")
        return sports, trouble

    def _count(self, frame: Frame) -> ProviderFailure | None:
        """Return the gap before a frame, if there is one."""
        if frame.sid is None or frame.seq is None:
            return None
        last = self._seqs.get(frame.sid)
        if last is None and len(self._seqs) >= MAX_SUBSCRIPTIONS:
            words = "The tape has too many subscriptions."
            raise DataFailure("too_many", words, f"{frame.place}.sid")
        self._seqs[frame.sid] = frame.seq
        if last is None or frame.seq == last + 1:
            return None
        words = f"Frame {frame.seq} follows frame {last}."
        return DataFailure("gap", words, f"{frame.place}.seq")

    def _apply(self, frame: Frame, sieve: Sieve) -> set[str]:
        """Apply a message; return the sport it is about, if any."""
        message = frame.message
        if isinstance(message, Subscribed):
            self._seqs.pop(message.sid, None)
            if message.channel == BOOKS_CHANNEL:  # images of all books follow
                self._forget()
        if not isinstance(message, BookImage | BookDelta | Unread):
            return set()

        def leave_out(fault: DataFailure) -> None:
            sieve.leave_out(fault.within(f"{frame.place}.msg"))

        try:
            listed = parse_ticker(message.market_ticker)
        except DataFailure as fault:  # nothing can have been on offer under such a ticker
            leave_out(fault)
            return set()
        if listed is None:
            return set()
        if isinstance(message, Unread):
            sieve.leave_out(message.fault)
            self._distrust(message.market_ticker)
        elif isinstance(message, BookImage):
            self._replace(message, listed, leave_out)
        else:
            self._change(message, leave_out)
        return {listed.league.sport}

    def _replace(self, image: BookImage, listed: Listed, leave_out: LeaveOut) -> None:
        ticker = image.market_ticker
        if ticker not in self._tracked and len(self._tracked) >= MAX_CONTRACTS:
            raise DataFailure("too_many", "The tape has too many contracts.", "market_ticker")
        tracked = self._tracked.setdefault(ticker, _Tracked(listed))
        tracked.book, tracked.source_at = Book(image, leave_out), None
        self._touched[ticker] = None

    def _change(self, delta: BookDelta, leave_out: LeaveOut) -> None:
        tracked = self._tracked.get(delta.market_ticker)
        if tracked is None or tracked.book is None:
            return  # the next image will include the change
        try:
            tracked.book.add(delta)
        except DataFailure as fault:
            leave_out(fault)
            self._distrust(delta.market_ticker)
            return
        tracked.source_at = delta.at
        self._touched[delta.market_ticker] = None

    def _distrust(self, ticker: str) -> None:
        """Discard one book until its next image."""
        tracked = self._tracked.get(ticker)
        if tracked is not None:
            tracked.book = None
            self._touched[ticker] = None

    def _forget(self, *, but: Frame | None = None) -> None:
        """Discard all books until their next images; numbering continues from the frame `but`."""
        self._seqs.clear()
        if but is not None and but.sid is not None and but.seq is not None:
            self._seqs[but.sid] = but.seq
        for ticker, tracked in self._tracked.items():
            tracked.book = None
            self._touched[ticker] = None

    def _emit(self, sports: Iterable[str]) -> tuple[int, list[SnapshotEvent]]:
        """Return the number of quotes compared, and an event per game with the changed ones."""
        seen = 0
        changed: dict[str, list[SnapshotQuote]] = {}
        games: dict[str, Listed] = {}
        for ticker, tracked in self._due(sports):
            touch = NOBODY if tracked.book is None else tracked.book.touch()
            quotes = list(offers(tracked.listed.contract, touch, tracked.source_at))
            news = _news(quotes, tracked.shown)
            seen += len(quotes)
            tracked.shown = tuple(quote.price for quote in quotes)
            if tracked.book is None:
                del self._tracked[ticker]
            if news:
                game = tracked.listed.game.external_id
                games.setdefault(game, tracked.listed)
                changed.setdefault(game, []).extend(news)
                self._learn(tracked.listed)
        return seen, [self._event(games[game], quotes) for game, quotes in changed.items()]

    def _due(self, sports: Iterable[str]) -> Iterator[tuple[str, _Tracked]]:
        for ticker in list(self._touched):
            tracked = self._tracked[ticker]
            if tracked.listed.league.sport in sports:
                del self._touched[ticker]
                yield ticker, tracked

    def _learn(self, listed: Listed) -> None:
        """Remember the teams, for the contracts of the game whose tickers do not name them."""
        if listed.pair is not None:
            self._pairs[listed.game.external_id] = listed.pair
            if len(self._pairs) > MAX_CONTRACTS:
                self._pairs.popitem(last=False)

    def _event(self, listed: Listed, quotes: list[SnapshotQuote]) -> SnapshotEvent:
        home, away = self._pairs.get(listed.game.external_id, ("", ""))
        day = datetime.combine(listed.game.day, time(tzinfo=EASTERN)).astimezone(UTC)
        return SnapshotEvent(
            external_id=listed.game.external_id,
            sport_key=listed.league.sport,
            sport_title=listed.league.title,
            home=home,
            away=away,
            commence_time=listed.game.start or day,
            quotes=quotes,
        )


class KalshiStream(Playback):
    """The adapter of tapes; its protocol is `streaming.providers.base.Adapter`."""

    key = "kalshi_stream"
    public_url = ""

    def requests(self, settings: ProviderSettings) -> NoReturn:  # noqa: ARG002 - the protocol's signature
        """Refuse: tapes cannot be polled.

        Raises:
            PermanentFailure: always.
        """
        raise PermanentFailure(
            "not_polled",
            "Order books are streamed, not polled.",
            "To replay a tape, `manage.py run --feed FILE`; to poll, give the provider the adapter"
            " kalshi.",
        )

    def decoder(self) -> KalshiTape:
        """Return a decoder that knows no book yet."""
        return KalshiTape()


def _news(quotes: Iterable[SnapshotQuote], shown: tuple[float | None, ...]) -> list[SnapshotQuote]:
    """Return the quotes whose price is not the one shown; a quote never shown had None."""
    return [quote for quote, price in zip_longest(quotes, shown) if quote.price != price]
