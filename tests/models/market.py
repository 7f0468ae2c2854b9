"""A market on its way from a change to its value, as an explicit model.

One market: its row, the coalescing buffer and the marker in Redis, the messages under way, and the
workers between two of their steps. Each step names the code that has its guard;
`tests/models/test_market_model.py` runs that code from the states that the model reaches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.support.explorer import Step

GUARDS = frozenset(
    {"version", "read_version", "dirty", "clear_first", "expiry", "sweep", "claim_ends"}
)
"""What the code relies on; a model without one of them shows what it is for.

* ``version``: a value is written only over the value of an older version;
* ``read_version``: a value is written under the version that was read, not the newest one;
* ``dirty``: a value that was overtaken leaves its market dirty;
* ``clear_first``: the marker is cleared before the quotes are read;
* ``expiry``: a marker or a buffer whose message was lost does not last;
* ``sweep``: markets that wait too long are sent again;
* ``claim_ends``: and once more, when that did not help.
"""

MOST = 2
"""Messages of one kind that are told apart: of more, some count as lost."""

FAULTS = frozenset(
    {
        "publisher_dies",
        "redis_is_flushed",
        "recompute_is_lost",
        "recompute_is_doubled",
        "flush_is_lost",
        "flush_is_doubled",
        "flusher_dies_after_its_drain",
        "worker_is_killed",
    }
)


BY_HAND = frozenset({"prices_change"})
"""What no one may rely on to come: a further change."""


@dataclass(frozen=True, slots=True)
class MarketState:
    """One market and all that is under way about it.

    Attributes:
        version: `Market.version`: the changes committed.
        valued: `Market.valued_version`.
        shown: the version of the quotes that the published value was computed from.
        newest: the newest version that any value was ever published of.
        is_dirty: whether `Market.dirty_at` is set.
        is_claimed: whether a sweep has claimed the market (`swept_at`) not long ago.
        unsent: commits whose process has not sent them on yet.
        is_quiet: whether no change of the market went at once within the last window.
        is_buffered: whether the market is in its shard of the buffer.
        is_marked: whether a recompute of it counts as being on its way.
        flushes: messages that a flush of the shard is due.
        recomputes: messages to recompute the market.
        workers: for each recompute under way what it has read: a version, or None before that.
        faults: faults that may still come.
    """

    version: int = 0
    valued: int = 0
    shown: int = 0
    newest: int = 0
    is_dirty: bool = False
    is_claimed: bool = False
    unsent: int = 0
    is_quiet: bool = True
    is_buffered: bool = False
    is_marked: bool = False
    flushes: int = 0
    recomputes: int = 0
    workers: tuple[int | None, ...] = ()
    faults: int = 0

    @property
    def is_valued(self) -> bool:
        """Return True if the last price is the one that is valued."""
        return self.valued == self.shown == self.version


def is_sound(state: MarketState) -> bool:
    """Return True unless an older value replaced a newer one, or a row says what is not so."""
    return (
        state.shown == state.newest
        and state.valued == state.shown <= state.version
        and state.is_dirty == (state.version != state.valued)
    )


@dataclass(frozen=True)
class MarketModel:
    """The steps of a market.

    Attributes:
        guards: the guards that hold.
        changes: how often its prices change, at most.
        workers: how many recomputes of it are under way at once, at most.
        most: how many messages of a kind are told apart.
    """

    guards: frozenset[str] = GUARDS
    changes: int = 3
    workers: int = 2
    most: int = MOST

    def steps(self) -> dict[str, Step[MarketState]]:
        """Return all steps by their names."""
        return {
            "prices_change": self.prices_change,
            "publisher_sends": self.publisher_sends,
            "publisher_buffers": self.publisher_buffers,
            "publisher_dies": self.publisher_dies,
            "window_ends": self.window_ends,
            "shard_is_flushed": self.shard_is_flushed,
            "flush_is_lost": self.flush_is_lost,
            "flush_is_doubled": self.flush_is_doubled,
            "flusher_dies_after_its_drain": self.flusher_dies_after_its_drain,
            "recompute_begins": self.recompute_begins,
            "worker_reads": self.worker_reads,
            "worker_writes": self.worker_writes,
            "worker_is_killed": self.worker_is_killed,
            "recompute_is_lost": self.recompute_is_lost,
            "recompute_is_doubled": self.recompute_is_doubled,
            "redis_is_flushed": self.redis_is_flushed,
            "hints_expire": self.hints_expire,
            "claim_ends": self.claim_ends,
            "sweep_passes": self.sweep_passes,
        }

    def is_at_rest(self, state: MarketState) -> bool:
        """Return True if nothing is under way any more that a sweep did not send."""
        return not any(
            list(step(state))
            for step in (
                self.publisher_sends,
                self.shard_is_flushed,
                self.recompute_begins,
                self.worker_reads,
                self.worker_writes,
            )
        )

    def prices_change(self, state: MarketState) -> Iterator[MarketState]:
        """Commit a change: the last statement of `streaming.ingest.sql`, `market_versions.raising`.

        ``dirty_at`` is set where ``version = valued_version``, and kept where it is older.
        """
        if state.version < self.changes:
            yield replace(state, version=state.version + 1, is_dirty=True, unsent=state.unsent + 1)

    def publisher_sends(self, state: MarketState) -> Iterator[MarketState]:
        """Send a change at once: `tasks.send_changes`, of those not major `buffer._CLAIM_FIRST`."""
        if state.unsent:
            sent = replace(state, unsent=state.unsent - 1)
            yield self._with_recompute(sent)
            if state.is_quiet:
                yield self._with_recompute(replace(sent, is_quiet=False))

    def publisher_buffers(self, state: MarketState) -> Iterator[MarketState]:
        """Add a change to the buffer: `buffer._PUSH`.

        A flush is due for the first hint in an empty shard, and for the one that fills a batch.
        """
        if state.unsent:
            sent = replace(state, unsent=state.unsent - 1)
            yield self._buffered(sent, is_due=True)
            if state.is_buffered:
                yield self._buffered(sent, is_due=False)

    def publisher_dies(self, state: MarketState) -> Iterator[MarketState]:
        """Lose a change between its commit and its message."""
        if state.unsent and state.faults:
            yield replace(state, unsent=state.unsent - 1, faults=state.faults - 1)

    def window_ends(self, state: MarketState) -> Iterator[MarketState]:
        """Let time pass: the key of `buffer._CLAIM_FIRST` expires."""
        if not state.is_quiet:
            yield replace(state, is_quiet=True)

    def shard_is_flushed(self, state: MarketState) -> Iterator[MarketState]:
        """Drain the shard and send what was not marked: `tasks.coalesce_line_changes`.

        `buffer._DRAIN` empties it and marks its markets in one step (``SET … NX``).
        """
        if state.flushes:
            drained = self._drained(replace(state, flushes=state.flushes - 1))
            is_sent = state.is_buffered and not state.is_marked
            yield self._with_recompute(drained) if is_sent else drained

    def flush_is_lost(self, state: MarketState) -> Iterator[MarketState]:
        """Lose a flush's message."""
        if state.flushes and state.faults:
            yield replace(state, flushes=state.flushes - 1, faults=state.faults - 1)

    def flush_is_doubled(self, state: MarketState) -> Iterator[MarketState]:
        """Deliver a flush's message twice."""
        if 0 < state.flushes < self.most and state.faults:
            yield replace(state, flushes=state.flushes + 1, faults=state.faults - 1)

    def flusher_dies_after_its_drain(self, state: MarketState) -> Iterator[MarketState]:
        """Kill a flush between `buffer.drain` and its message."""
        if state.flushes and state.faults:
            yield replace(self._drained(state), flushes=state.flushes - 1, faults=state.faults - 1)

    def recompute_begins(self, state: MarketState) -> Iterator[MarketState]:
        """Take a message and clear the marker: `buffer.clear_scheduled` in `recompute._recompute`.

        Before the quotes are read: a change that comes in between schedules the next one.
        """
        if state.recomputes and len(state.workers) < self.workers:
            begun = replace(state, recomputes=state.recomputes - 1)
            if "clear_first" in self.guards:
                begun = replace(begun, is_marked=False)
            yield _with_workers(begun, (*state.workers, None))

    def worker_reads(self, state: MarketState) -> Iterator[MarketState]:
        """Read the quotes: `valuation.unvalued.read`, ``version <> valued_version``."""
        if None not in state.workers:
            return
        others = _without(state.workers, None)
        if state.version == state.valued:
            yield self._with_late_clearing(_with_workers(state, others))  # nothing to value
        else:
            yield _with_workers(state, (*others, state.version))

    def worker_writes(self, state: MarketState) -> Iterator[MarketState]:
        """Publish a value: the guard ``m.valued_version < v.version`` of `recompute._WRITE`.

        The row keeps `dirty_at` unless the version that was read is the market's own.
        """
        for read in {each for each in state.workers if each is not None}:
            done = _with_workers(state, _without(state.workers, read))
            done = self._with_late_clearing(done)
            version = read if "read_version" in self.guards else state.version
            if "version" in self.guards and not state.valued < version:
                yield done
                continue
            yield replace(
                done,
                valued=version,
                shown=read,
                newest=max(state.newest, read),
                is_dirty="dirty" in self.guards and version != state.version,
                is_claimed=False,
            )

    def worker_is_killed(self, state: MarketState) -> Iterator[MarketState]:
        """Kill a recompute anywhere; its message comes back or does not."""
        if state.faults:
            for read in set(state.workers):
                dead = replace(
                    _with_workers(state, _without(state.workers, read)), faults=state.faults - 1
                )
                yield dead
                yield self._with_recompute(dead)

    def recompute_is_lost(self, state: MarketState) -> Iterator[MarketState]:
        """Lose a recompute's message."""
        if state.recomputes and state.faults:
            yield replace(state, recomputes=state.recomputes - 1, faults=state.faults - 1)

    def recompute_is_doubled(self, state: MarketState) -> Iterator[MarketState]:
        """Deliver a recompute's message twice."""
        if 0 < state.recomputes < self.most and state.faults:
            yield replace(state, recomputes=state.recomputes + 1, faults=state.faults - 1)

    def redis_is_flushed(self, state: MarketState) -> Iterator[MarketState]:
        """Lose all that Redis holds: buffer, marker and messages."""
        if state.faults:
            yield replace(
                state,
                is_quiet=True,
                is_buffered=False,
                is_marked=False,
                flushes=0,
                recomputes=0,
                faults=state.faults - 1,
            )

    def hints_expire(self, state: MarketState) -> Iterator[MarketState]:
        """Let the marker and the buffer expire (``PX`` of `buffer._DRAIN`, ``PEXPIRE`` of `_PUSH`).

        They outlive every wait of a run without faults, so that this needs their messages gone.
        """
        if "expiry" in self.guards and not (state.flushes or state.recomputes or state.workers):
            expired = replace(state, is_buffered=False, is_marked=False)
            if expired != state:
                yield expired

    def claim_ends(self, state: MarketState) -> Iterator[MarketState]:
        """Let a sweep's claim grow old: ``swept_at`` of `sweep._CLAIM`."""
        if "claim_ends" in self.guards and state.is_claimed:
            yield replace(state, is_claimed=False)

    def sweep_passes(self, state: MarketState) -> Iterator[MarketState]:
        """Claim and send what waits too long: `sweep._CLAIM`.

        ``version <> valued_version``, an old ``dirty_at``, and no claim of late.
        """
        is_due = state.version != state.valued and state.is_dirty and not state.is_claimed
        if "sweep" in self.guards and is_due:
            yield self._with_recompute(replace(state, is_claimed=True))

    def _with_recompute(self, state: MarketState) -> MarketState:
        return replace(state, recomputes=min(state.recomputes + 1, self.most))

    def _buffered(self, state: MarketState, *, is_due: bool) -> MarketState:
        flushes = min(state.flushes + is_due, self.most)
        return replace(state, is_buffered=True, flushes=flushes)

    def _with_late_clearing(self, state: MarketState) -> MarketState:
        """Return the state after a recompute, whose end clears the marker without the guard."""
        return state if "clear_first" in self.guards else replace(state, is_marked=False)

    def _drained(self, state: MarketState) -> MarketState:
        return replace(state, is_buffered=False, is_marked=state.is_marked or state.is_buffered)


def _without(workers: tuple[int | None, ...], one: int | None) -> tuple[int | None, ...]:
    place = workers.index(one)
    return workers[:place] + workers[place + 1 :]


def _with_workers(state: MarketState, workers: tuple[int | None, ...]) -> MarketState:
    """Return the state with these workers, whose order says nothing."""
    return replace(
        state, workers=tuple(sorted(workers, key=lambda read: -1 if read is None else read))
    )
