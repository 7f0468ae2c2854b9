"""A tape in simulated time: messages, workers that take their time, and the prices published."""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from streaming.benchmark.debounce.tapes import Change, Tape
from streaming.benchmark.debounce.windows import Message, Queue, Windows
from valuation.arrays import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class ServiceTimes:
    """The times of messages and workers, in milliseconds: medians of the product's, measured.

    Attributes:
        transit: from sending a message to a worker that has taken it.
        recompute: of a recompute, before its markets.
        market: of each market that it values.
        nothing: of a recompute that finds all its markets valued.
        flush: of a flush.
        value_workers: processes that flush and value; major moves have one of their own.
    """

    transit: float = 3.0
    recompute: float = 13.0
    market: float = 0.19
    nothing: float = 5.0
    flush: float = 2.0
    value_workers: int = 1


@dataclass(frozen=True, slots=True)
class Played:
    """The result of a replay, change by change; columns of shape (changes,), market by market.

    Attributes:
        at_ms: when each change came.
        market: its market.
        latency_ms: from the change to the first publication that takes it along.
        error: the integral of the distance between the published and the true fair prices while
            the change was the newest, in probability times seconds.
        is_valued: whether a recompute has read the market with it as the newest change.
        publications: what each recompute published, and when: markets with numbers of changes.
        messages: recomputes sent, all together.
        worker_seconds: how long the workers were busy.
    """

    at_ms: FloatArray
    market: IntArray
    latency_ms: FloatArray
    error: FloatArray
    is_valued: IntArray
    publications: Sequence[tuple[float, _Read]]
    messages: int
    worker_seconds: float


_Read = tuple[tuple[int, int], ...]
"""Markets that a recompute values, each with the number of its newest change."""

_NOTHING: _Read = ()


def play(
    tape: Tape, windows: Windows, times: ServiceTimes | None = None, *, by_event: bool = False
) -> Played:
    """Play a tape under a way to coalesce, until its last change is published.

    Args:
        tape: the changes.
        windows: the way to coalesce.
        times: of messages and workers.
        by_event: whether a recompute takes all unvalued markets of its markets' events along.
    """
    return _Replay(tape, windows, times or ServiceTimes(), by_event=by_event).run()


@dataclass
class _Market:
    """A market in a replay: numbers of changes, -1 before the first.

    Attributes:
        fair: after each change.
        newest: the newest change.
        read: the newest change that a recompute has read.
        published: the change whose value is shown.
        since_ms: when the newest or the published one became so.
        at_ms: when each change came.
        latency_ms: of each change until now.
        error: of each change until now.
        is_valued: whether a recompute has read it as the newest.
    """

    fair: FloatArray
    newest: int = -1
    read: int = -1
    published: int = -1
    since_ms: float = 0.0
    at_ms: list[float] = field(default_factory=list)
    latency_ms: list[float] = field(default_factory=list)
    error: list[float] = field(default_factory=list)
    is_valued: list[int] = field(default_factory=list)

    def changed(self, now_ms: float) -> None:
        """Take the next change."""
        self._count(now_ms)
        self.newest += 1
        self.at_ms.append(now_ms)
        self.error.append(0.0)
        self.is_valued.append(0)

    def take(self) -> int | None:
        """Read the newest change; None if it was read before."""
        if self.read == self.newest:
            return None
        self.read = self.newest
        self.is_valued[self.newest] = 1
        return self.newest

    def publish(self, number: int, now_ms: float) -> None:
        """Show the value of a change, unless that of a later one is shown."""
        if number <= self.published:
            return
        self._count(now_ms)
        self.latency_ms += (now_ms - at for at in self.at_ms[self.published + 1 : number + 1])
        self.published = number

    def _count(self, now_ms: float) -> None:
        """Add the error since the last step; before the first value there is none."""
        if 0 <= self.published < self.newest:
            wrong = distance(self.fair[self.published], self.fair[self.newest])
            self.error[self.newest] += wrong * (now_ms - self.since_ms) / 1_000
        self.since_ms = now_ms


def distance(one: FloatArray, other: FloatArray) -> float:
    """Return the total variation between two fair prices: half the sum of absolute differences.

    Outcomes that have no fair price in one of them are left out.

    >>> round(distance(np.array([0.5, 0.5]), np.array([0.4, 0.6])), 9)
    0.1
    """
    return float(np.nansum(np.abs(one - other))) / 2


@dataclass
class _Workers:
    """The processes of one queue, and the messages that wait for them."""

    free: int
    waiting: deque[Message] = field(default_factory=deque)


class _Replay:
    def __init__(
        self, tape: Tape, windows: Windows, times: ServiceTimes, *, by_event: bool
    ) -> None:
        self._events_of = tape.events
        self._neighbours = defaultdict[int, list[int]](list)
        if by_event:
            for market, number in enumerate(tape.events):
                self._neighbours[number].append(market)
        self._publications: list[tuple[float, _Read]] = []
        self._windows = windows
        self._times = times
        self._markets = [_Market(fair) for fair in tape.fair]
        self._order = count()
        self._events: list[tuple[float, int, object]] = [
            (answer.at_ms, next(self._order), answer.changes) for answer in tape.answers
        ]
        self._workers: dict[Queue, _Workers] = {
            "major": _Workers(1),
            "valuation": _Workers(times.value_workers),
        }
        self._messages = 0
        self._busy_ms = 0.0

    def run(self) -> Played:
        """Play all events in their order."""
        heapq.heapify(self._events)
        while self._events:
            now_ms, _, event = heapq.heappop(self._events)
            if isinstance(event, Message):
                workers = self._workers[event.queue]
                workers.waiting.append(event)
                self._work(event.queue, now_ms)
            elif isinstance(event, _Done):
                self._finish(event, now_ms)
            else:
                self._answer(event, now_ms)  # type: ignore[arg-type]
        return self._played()

    def _answer(self, changes: tuple[Change, ...], now_ms: float) -> None:
        for each in changes:
            self._markets[each.market].changed(now_ms)
        self._send(self._windows.take(changes, now_ms))

    def _send(self, messages: Iterable[Message]) -> None:
        for each in messages:
            self._messages += each.shard is None
            self._at(each.due_ms + self._times.transit, each)

    def _work(self, queue: Queue, now_ms: float) -> None:
        workers = self._workers[queue]
        while workers.free and workers.waiting:
            workers.free -= 1
            message = workers.waiting.popleft()
            read, took_ms = _NOTHING, self._times.flush
            if message.shard is not None:
                self._send(self._windows.flush(message.shard, now_ms))
            else:
                read, took_ms = self._read(message)
            self._busy_ms += took_ms
            self._at(now_ms + took_ms, _Done(queue, read))

    def _read(self, message: Message) -> tuple[_Read, float]:
        self._windows.started(message.markets)
        asked = dict.fromkeys(message.markets)
        if self._neighbours:
            for market in message.markets:
                asked |= dict.fromkeys(self._neighbours[self._events_of[market]])
        taken = ((market, self._markets[market].take()) for market in asked)
        read = tuple((market, number) for market, number in taken if number is not None)
        if not read:
            return _NOTHING, self._times.nothing
        return read, self._times.recompute + self._times.market * len(read)

    def _finish(self, done: _Done, now_ms: float) -> None:
        for market, number in done.read:
            self._markets[market].publish(number, now_ms)
        if done.read:
            self._publications.append((now_ms, done.read))
        self._workers[done.queue].free += 1
        self._work(done.queue, now_ms)

    def _at(self, at_ms: float, event: object) -> None:
        heapq.heappush(self._events, (at_ms, next(self._order), event))

    def _played(self) -> Played:
        for each in self._markets:
            assert each.published == each.newest, "the last price is always valued"
        return Played(
            at_ms=_column(each.at_ms for each in self._markets),
            market=np.repeat(
                np.arange(len(self._markets)), [len(each.at_ms) for each in self._markets]
            ),
            latency_ms=_column(each.latency_ms for each in self._markets),
            error=_column(each.error for each in self._markets),
            is_valued=_column(each.is_valued for each in self._markets).astype(np.int64),
            publications=self._publications,
            messages=self._messages,
            worker_seconds=self._busy_ms / 1_000,
        )


@dataclass(frozen=True, slots=True)
class _Done:
    """A worker that has finished: the markets it has valued, each with the change it read."""

    queue: Queue
    read: _Read


def _column(parts: Iterable[list[float] | list[int]]) -> FloatArray:
    return np.concatenate([np.asarray(part, dtype=np.float64) for part in parts])
