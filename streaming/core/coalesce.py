"""The coalescing policy: how many changes are waited for, and how long."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CoalescePolicy:
    """Bounds of micro-batching and debounce.

    Attributes:
        enabled: whether changes are coalesced; if not, each sends a recompute of its own at once.
        batch_changes: the change that fills a batch flushes it at once.
        batch_ms: the longest a change waits for its batch, in milliseconds.
        debounce_ms: how long a market's recompute is held back for further changes; 0 = at once.
        shards: buffers that flush side by side; a market is always in the same one.
        buffer_max_markets: markets one shard holds; a hint beyond it is dropped and counted
            (the sweeper values the market).
        marker_ttl_ms: after this a "recompute scheduled" marker whose message was lost is void.
        recompute_markets: markets in one recompute message, at most.
    """

    enabled: bool = True
    batch_changes: int = 50
    batch_ms: int = 250
    debounce_ms: int = 250
    shards: int = 2
    buffer_max_markets: int = 50_000
    marker_ttl_ms: int = 10_000
    recompute_markets: int = 500
