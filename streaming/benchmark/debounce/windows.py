"""When changed markets are valued: the product's fixed windows, and adaptive ones, without servers.

`Fixed` says what `streaming.tasks.send_changes` and `streaming.coalescing.buffer` do, in simulated
time, and `Adaptive` what they do with `HARDLINE_COALESCE_ADAPTIVE=on`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from streaming.benchmark.debounce.tapes import Change
from streaming.core.adaptive_debounce import AdaptivePolicy, MarketPace, at_once, wait_for
from streaming.core.coalesce import CoalescePolicy

Queue = Literal["major", "valuation"]


@dataclass(frozen=True, slots=True)
class Message:
    """A message that is due at a time.

    Attributes:
        due_ms: when a worker may take it.
        queue: whose workers.
        markets: those to be valued; none in a flush.
        shard: the shard to be flushed; None in a recompute.
    """

    due_ms: float
    queue: Queue
    markets: tuple[int, ...] = ()
    shard: int | None = None


class Windows(Protocol):
    """A way to coalesce."""

    def take(self, changes: Sequence[Change], now_ms: float) -> Iterable[Message]:
        """Return the messages that an answer's changes send."""
        ...

    def flush(self, shard: int, now_ms: float) -> Iterable[Message]:
        """Return the messages that a flush sends."""
        ...

    def started(self, markets: Iterable[int]) -> None:
        """Take note that a recompute of the markets is about to read them."""
        ...


@dataclass
class _Shard:
    changes: int = 0
    since_ms: float = 0.0
    markets: dict[int, None] = field(default_factory=dict)


@dataclass
class _Buffer:
    """The shards, and the markets that a recompute is on its way for."""

    policy: CoalescePolicy
    shards: dict[int, _Shard] = field(default_factory=dict)
    scheduled: dict[int, float] = field(default_factory=dict)

    def push(self, shard: int, changes: Iterable[Change], now_ms: float) -> tuple[int, int]:
        """Add changes to a shard; return the changes in it before and after."""
        held = self.shards.setdefault(shard, _Shard())
        before = held.changes
        if not before:
            held.since_ms = now_ms
        for each in changes:
            held.changes += each.prices
            held.markets[each.market] = None
        return before, held.changes

    def drain(self, shard: int, now_ms: float) -> tuple[tuple[int, ...], float]:
        """Empty a shard; return its markets that are not scheduled, and how long it has waited."""
        held = self.shards.pop(shard, None)
        if held is None:
            return (), 0.0
        until = now_ms + self.policy.marker_ttl_ms
        free = tuple(each for each in held.markets if self.scheduled.get(each, 0.0) <= now_ms)
        self.scheduled |= dict.fromkeys(free, until)
        return free, now_ms - held.since_ms

    def started(self, markets: Iterable[int]) -> None:
        """Forget that recomputes are on their way."""
        for each in markets:
            self.scheduled.pop(each, None)


@dataclass
class _Answers:
    """The answers within the current window, by which a burst is recognised."""

    policy: CoalescePolicy
    until_ms: float = 0.0
    count: int = 0

    def is_burst(self, now_ms: float) -> bool:
        """Count an answer; return True if it follows enough answers."""
        if now_ms >= self.until_ms:
            self.until_ms, self.count = now_ms + self.policy.window_ms, 0
        self.count += 1
        return self.count > self.policy.first_answers


class Fixed:
    """The product's windows.

    Args:
        policy: their bounds.
    """

    def __init__(self, policy: CoalescePolicy) -> None:
        self._policy = policy
        self._buffer = _Buffer(policy)
        self._answers = _Answers(policy)
        self._first: dict[int, float] = {}  # market → until when it is not quiet

    def take(self, changes: Sequence[Change], now_ms: float) -> Iterator[Message]:
        """Yield recomputes of major moves and of quiet markets, and the flushes of the others."""
        major, minor = _split(changes)
        yield from _recomputes(major, "major", now_ms, self._policy)
        first = set[int]()
        if minor and not major and not self._answers.is_burst(now_ms):
            until = now_ms + self._policy.window_ms
            first = {each.market for each in minor if self._first.get(each.market, 0.0) <= now_ms}
            fills_batch = sum(each.prices for each in minor) >= self._policy.batch_changes
            begun = {each.market for each in minor} if fills_batch else first
            self._first |= dict.fromkeys(begun, until)
        yield from _recomputes(sorted(first), "valuation", now_ms, self._policy)
        by_shard: dict[int, list[Change]] = {}
        for each in minor:
            if each.market not in first:
                by_shard.setdefault(each.market % self._policy.shards, []).append(each)
        for shard, waiting in by_shard.items():
            before, after = self._buffer.push(shard, waiting, now_ms)
            if before // self._policy.batch_changes != after // self._policy.batch_changes:
                yield Message(now_ms, "valuation", shard=shard)
            elif not before:
                yield Message(now_ms + self._policy.batch_ms, "valuation", shard=shard)

    def flush(self, shard: int, now_ms: float) -> Iterator[Message]:
        """Yield the recomputes of a batch, due one debounce after its first change."""
        markets, waited_ms = self._buffer.drain(shard, now_ms)
        due_ms = now_ms + max(0.0, self._policy.debounce_ms - waited_ms)
        yield from _recomputes(markets, "valuation", due_ms, self._policy)

    def started(self, markets: Iterable[int]) -> None:
        """Take note that a recompute of the markets is about to read them."""
        self._buffer.started(markets)


class Adaptive:
    """Adaptive windows: each market waits by itself, and those of one slot share a message.

    Args:
        policy: the bounds of bursts and messages.
        adaptive: the constants.
        cap_ms: the longest wait.
    """

    def __init__(self, policy: CoalescePolicy, adaptive: AdaptivePolicy, cap_ms: float) -> None:
        self._policy = policy
        self._adaptive = adaptive
        self._cap_ms = cap_ms
        self._buffer = _Buffer(policy)
        self._answers = _Answers(policy)
        self._paces: dict[int, MarketPace] = {}

    def take(self, changes: Sequence[Change], now_ms: float) -> Iterator[Message]:
        """Yield recomputes of what goes at once, and a flush for each slot that was empty."""
        major, minor = _split(changes)
        for each in changes:
            if each.is_major:
                pace = self._paces.get(each.market, MarketPace())
                self._paces[each.market] = at_once(pace, self._adaptive, each.move, now_ms)
        yield from _recomputes(major, "major", now_ms, self._policy)
        is_crowded = bool(major) or (bool(minor) and self._answers.is_burst(now_ms))
        first, by_slot = list[int](), dict[int, list[Change]]()
        for each in minor:
            wait = wait_for(
                self._paces.get(each.market, MarketPace()),
                self._adaptive, each.move, now_ms, self._cap_ms, is_crowded=is_crowded,
            )  # fmt: skip
            self._paces[each.market] = wait.pace
            if wait.due_ms <= now_ms:
                first.append(each.market)
            else:
                slot = round(wait.due_ms / self._adaptive.slot_ms)
                by_slot.setdefault(slot, []).append(each)
        yield from _recomputes(first, "valuation", now_ms, self._policy)
        for slot, waiting in by_slot.items():
            before, _ = self._buffer.push(slot, waiting, now_ms)
            if not before:
                yield Message(slot * self._adaptive.slot_ms, "valuation", shard=slot)

    def flush(self, shard: int, now_ms: float) -> Iterator[Message]:
        """Yield the recomputes of a slot, due at once."""
        markets, _ = self._buffer.drain(shard, now_ms)
        yield from _recomputes(markets, "valuation", now_ms, self._policy)

    def started(self, markets: Iterable[int]) -> None:
        """Take note that a recompute of the markets is about to read them."""
        self._buffer.started(markets)


def _split(changes: Sequence[Change]) -> tuple[list[int], list[Change]]:
    major = [each.market for each in changes if each.is_major]
    return major, [each for each in changes if not each.is_major]


def _recomputes(
    markets: Sequence[int], queue: Queue, due_ms: float, policy: CoalescePolicy
) -> Iterator[Message]:
    size = policy.recompute_markets
    for start in range(0, len(markets), size):
        yield Message(due_ms, queue, tuple(markets[start : start + size]))
