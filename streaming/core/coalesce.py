"""The coalescing policy: how many changes are waited for, and how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta as Setting

from streaming.core.adaptive_debounce import CAP_SLOTS, AdaptiveMode


@dataclass(frozen=True, slots=True)
class CoalescePolicy:
    """Bounds of micro-batching and debounce.

    Attributes:
        enabled: whether changes are coalesced; if not, each sends a recompute of its own at once.
        batch_changes: the change that fills a batch flushes it at once.
        batch_ms: the longest a change waits for its batch, in milliseconds.
        debounce_ms: how long a recompute waits for further changes, from the first of its batch on.
        adaptive: whether each market waits by its own rate and moves instead: ``off``, ``shadow``,
            which only counts what it would do, or ``on``.
        first_answers: answers of a window whose changes of quiet markets are valued at once; what
            follows them is a burst.
        shards: buffers that flush side by side; a market is always in the same one.
        buffer_max_markets: markets one shard holds; a hint beyond it is dropped and counted
            (the sweeper values the market).
        marker_ttl_ms: after this a "recompute scheduled" marker whose message was lost is void.
        recompute_markets: markets in one recompute message, at most.
    """

    enabled: Annotated[bool, Setting()] = True
    batch_changes: Annotated[int, Setting(ge=1, le=100_000, extra={"live": True})] = 50
    batch_ms: Annotated[int, Setting(ge=0, le=10_000, extra={"live": True})] = 250
    debounce_ms: Annotated[int, Setting(ge=0, le=10_000, extra={"live": True})] = 250
    adaptive: Annotated[AdaptiveMode, Setting(extra={"live": True})] = "off"
    first_answers: int = 10  # in 250 ms: a message each, of which a value worker does twice as many
    shards: int = 2  # one is flushed while the other fills
    buffer_max_markets: Annotated[int, Setting(ge=1, le=10_000_000)] = 50_000
    marker_ttl_ms: int = 10_000  # longer than any countdown, which is below 5 s
    recompute_markets: int = 500  # 15 kB of ids at most; a message may have 1 MiB

    @property
    def window_ms(self) -> int:
        """The longest a change is held back."""
        return max(self.batch_ms, self.debounce_ms)

    @property
    def slot_shards(self) -> range:
        """The further shards, which slots of adaptive waits use in turn.

        Twice as many as the longest wait has slots: a shard is flushed long before its next turn.
        """
        return range(self.shards, self.shards + 2 * CAP_SLOTS)

    @property
    def cap_ms(self) -> int:
        """The longest a change is held back adaptively: both windows one after the other."""
        return self.batch_ms + self.debounce_ms
