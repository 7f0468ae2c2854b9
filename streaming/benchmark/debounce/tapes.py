"""Recorded streams as changes of markets: when they came, how large they were, what was fair then.

Every message is an answer by itself, at the time at which it was recorded; a replay combines those
of Betfair that are close to each other, which is what is to be measured here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import log
from pathlib import Path

import msgspec
import numpy as np

from streaming.benchmark.waiting import BenchmarkError
from streaming.core.movement import MovementPolicy
from streaming.core.snapshot import Side, Snapshot, SnapshotQuote
from streaming.providers.base import Request, Response
from streaming.providers.betfair import file as betfair_file
from streaming.providers.betfair.book import moment
from streaming.providers.compressed import open_file
from streaming.providers.kalshi.stream import KalshiStream
from streaming.providers.recording.adapter import survey
from streaming.providers.recording.lines import lines_of
from streaming.providers.registry import ADAPTERS
from streaming.providers.sieve import Sieve
from valuation.arrays import FloatArray
from valuation.board import Board, value
from valuation.policy import ValuationPolicy

POLICY = ValuationPolicy(min_books=1)
"""The product's rules of what is fair, for tapes of a single bookmaker."""

_MARKETS_PATH = "/trade-api/ws/v2"
_STATES = 2_000
"""States that are valued together."""

_Key = tuple[str, str, float | None, Side]
"""A quote within its market: bookmaker, outcome, line and side."""


@dataclass(frozen=True, slots=True)
class Change:
    """The change that an answer makes to one market.

    Attributes:
        market: the market's number on the tape.
        number: the number of the change among those of the market.
        move: the largest move of a price, in log-odds; None if no price has moved.
        is_major: whether its valuation must not wait.
        prices: how many prices it changes.
    """

    market: int
    number: int
    move: float | None
    is_major: bool
    prices: int = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """The changes that came together.

    Attributes:
        at_ms: when they came, since the tape's begin.
        changes: each of another market.
    """

    at_ms: float
    changes: Sequence[Change]


@dataclass(frozen=True, slots=True)
class Tape:
    """A recorded stream.

    Attributes:
        name: the file's.
        answers: those that change a price, in the order received.
        fair: for each market the fair probabilities after each of its changes, shape (changes,
            outcomes); NaN where there is none.
        events: for each market the number of its event.
    """

    name: str
    answers: Sequence[Answer]
    fair: Sequence[FloatArray]
    events: Sequence[int] = ()

    @property
    def changes(self) -> int:
        """The number of all changes."""
        return sum(len(series) for series in self.fair)


def recorded(path: Path, *, may_be_polls: bool = False) -> Tape:
    """Read a stream: a file of Betfair's, a capture of Kalshi's frames, or a recording of either.

    Args:
        path: the file.
        may_be_polls: whether complete answers will do, which say only when changes were seen.

    Raises:
        ProviderFailure: the recording cannot be read.
        BenchmarkError: it holds complete answers only, or no change.
    """
    reading = _Reading()
    decoder = ADAPTERS["recording"].decoder()
    is_stream = False
    for request in _requests(path):
        assert request.recorded is not None, "a recording holds the answers"
        snapshot = decoder.decode(request, request.recorded)
        is_stream |= not snapshot.is_complete
        reading.take(snapshot)
    if not (is_stream or may_be_polls) or not reading.answers:
        raise BenchmarkError(f"{path.name} has no changes as they happened: it is of no stream.")
    events = {
        event: number for number, event in enumerate({key[0]: None for key in reading.markets})
    }
    return Tape(
        path.name,
        reading.answers,
        [each.fair() for each in reading.markets.values()],
        [events[key[0]] for key in reading.markets],
    )


class _Capture(msgspec.Struct):
    """Frames of Kalshi's as a capture keeps them."""

    frames: list[_Frame]


class _Frame(msgspec.Struct):
    received_ms: int
    frame: msgspec.Raw


def _requests(path: Path) -> Iterator[Request]:
    with open_file(path) as file:
        start = file.read(4_096).lstrip()
    if start.startswith(b'{"op"'):
        lines, address = lines_of(path), path.absolute().as_uri()
        yield from betfair_file.requests(lines, address, Sieve(), conflation_ms=0)
    elif b'"captured_ms"' in start:
        with open_file(path) as file:
            capture = msgspec.json.decode(file.read(), type=_Capture)
        for each in capture.frames:
            body = bytes(each.frame)
            answer = Response(200, {}, body, moment(each.received_ms), 0.0, len(body))
            yield Request(KalshiStream.key, path.as_uri(), _MARKETS_PATH, recorded=answer)
    else:
        yield from (record.request for record in survey(path).records())


@dataclass
class _Market:
    """The prices of a market so far, and its states after each change."""

    number: int
    prices: dict[_Key, float] = field(default_factory=dict)
    known: set[_Key] = field(default_factory=set)
    states: list[dict[_Key, float]] = field(default_factory=list)

    def fair(self) -> FloatArray:
        """Return the fair probabilities after each change, shape (changes, outcomes)."""
        outcomes = {key: i for i, key in enumerate(sorted({k[1:3] for k in self.known}, key=str))}
        bookmakers = {key: i for i, key in enumerate(sorted({k[0] for k in self.known}))}
        found = np.full((len(self.states), len(outcomes)), np.nan)
        for first in range(0, len(self.states), _STATES):
            rows = [
                (state, outcomes[key[1:3]], bookmakers[key[0]], key[3] == "lay", key[2], price)
                for state, prices in enumerate(self.states[first : first + _STATES])
                for key, price in prices.items()
            ]
            if rows:
                _value(rows, found[first : first + _STATES])
        return found


def _value(rows: list[tuple[int, int, int, bool, float | None, float]], found: FloatArray) -> None:
    state, outcome, bookmaker, is_lay, line, price = zip(*rows, strict=True)
    size = found.shape[1]
    # A state is a market of its own: all are valued together.
    valued = value(
        Board(
            market_id=np.array(state, dtype=np.int64) + 1,
            outcome_id=np.array(state, dtype=np.int64) * size + np.array(outcome, dtype=np.int64),
            line=np.array([np.nan if each is None else each for each in line]),
            bookmaker_id=np.array(bookmaker, dtype=np.int64),
            is_lay=np.array(is_lay, dtype=np.bool_),
            price=np.array(price),
            weight=np.ones(len(rows)),
            commission=np.zeros(len(rows)),
            is_stale=np.zeros(len(rows), dtype=np.bool_),
        ),
        POLICY,
    )
    found[np.divmod(valued.fair.outcome_id, size)] = valued.fair.probability


class _Reading:
    """The markets of a tape, as its answers come in."""

    def __init__(self) -> None:
        self.markets: dict[tuple[str, str, str, str], _Market] = {}
        self.answers: list[Answer] = []
        self._begin_ms: float | None = None

    def take(self, snapshot: Snapshot) -> None:
        """Apply an answer."""
        changes = list[Change]()
        for event in snapshot.events:
            by_market = defaultdict[tuple[str, str, str, str], list[SnapshotQuote]](list)
            for quote in event.quotes:
                key = event.external_id, quote.kind, quote.period, quote.participant
                by_market[key].append(quote)
            for key, quotes in by_market.items():
                market = self.markets.setdefault(key, _Market(len(self.markets)))
                change = _apply(market, quotes, is_complete=snapshot.is_complete)
                if change is not None:
                    changes.append(change)
        if changes:
            at_ms = snapshot.received_at.timestamp() * 1_000
            self._begin_ms = at_ms if self._begin_ms is None else self._begin_ms
            self.answers.append(Answer(at_ms - self._begin_ms, changes))


def _apply(market: _Market, quotes: Sequence[SnapshotQuote], *, is_complete: bool) -> Change | None:
    """Change a market's prices; None if all were so already."""
    new = {(each.bookmaker, each.name, each.line, each.side): each.price for each in quotes}
    gone = set(market.prices) - set(new) if is_complete else set()
    changed = {key: price for key, price in new.items() if market.prices.get(key) != price}
    changed |= dict.fromkeys(gone)
    if not changed:
        return None
    pairs = [(key, market.prices.get(key), price) for key, price in changed.items()]
    is_major = any(_is_major(old, price, key in market.known) for key, old, price in pairs)
    moves = [abs(log(new - 1) - log(old - 1)) for _, old, new in pairs if old and new]
    for key, _, price in pairs:
        if price is None:
            market.prices.pop(key, None)
        else:
            market.prices[key] = price
    market.known |= set(changed)
    market.states.append(dict(market.prices))
    number = len(market.states) - 1
    return Change(market.number, number, max(moves, default=None), is_major, len(changed))


def _is_major(old: float | None, new: float | None, was_known: bool) -> bool:  # noqa: FBT001 - a column
    """Return the verdict of `streaming.core.movement.IS_MAJOR` with the default thresholds."""
    if old is None or new is None:
        return old is not None or was_known  # suspended, or resumed
    rule = MovementPolicy()
    is_relative = abs(new - old) / old > rule.major_price_move + 1e-9
    return is_relative or abs(1 / new - 1 / old) >= rule.major_probability_move - 1e-9
